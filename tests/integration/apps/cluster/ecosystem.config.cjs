module.exports = {
  apps: [{
    name: 'feed',
    script: './server.js',
    exec_mode: 'cluster',
    instances: 2,
    listen_timeout: 20000,
    kill_timeout: 20000,
    env: {PORT: process.env.PORT, DATABASE_PATH: process.env.DATABASE_PATH},
    env_production: {NODE_ENV: 'production'},
  }],
};
