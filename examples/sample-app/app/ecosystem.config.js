'use strict';

const INSTANCES = Number(process.env.SAMPLE_APP_INSTANCES || 0);

module.exports = {
  apps: [{
    name: process.env.SAMPLE_APP_NAME || 'sample-app',
    // PM2 takes a script with a space in its path for a shell command, so the path is left to cwd.
    script: 'server.js',
    cwd: __dirname,
    ...(INSTANCES ? {exec_mode: 'cluster', instances: INSTANCES} : {exec_mode: 'fork'}),
    kill_timeout: 5000,
    env: {
      HOST: process.env.HOST || '127.0.0.1',
      PORT: process.env.PORT || '3000',
      DATABASE_PATH: process.env.DATABASE_PATH || `${__dirname}/../data/app.db`,
      CACHE_TTL_SECONDS: process.env.CACHE_TTL_SECONDS || '30',
    },
  }],
};
