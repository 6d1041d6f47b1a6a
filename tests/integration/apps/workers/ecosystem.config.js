module.exports = {
  apps: [
    {name: 'jobs-worker', script: './worker.js'},
    {name: 'jobs-api', script: './api.js'},
    {name: 'jobs-nightly', script: './nightly.js', autorestart: false, cron_restart: '0 3 1 1 *'},
  ],
};
