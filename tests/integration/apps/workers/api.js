'use strict';
const http = require('node:http');
const {open, VERSION} = require('./database');

const database = open();
const server = http.createServer((request, response) => {
  const {jobs} = database.prepare('SELECT count(*) AS jobs FROM jobs').get();
  response.end(JSON.stringify({status: 'ok', version: VERSION, jobs}));
});
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGINT', () => server.close(() => process.exit(0)));
