'use strict';
// As the server.js of a standalone build: it works in its own folder, and takes its address from the variables.
const http = require('node:http');
const {DatabaseSync} = require('node:sqlite');

const VERSION = 1;
process.chdir(__dirname);
const database = new DatabaseSync(process.env.DATABASE_PATH);
database.exec('CREATE TABLE IF NOT EXISTS pages (id INTEGER PRIMARY KEY)');
const allowed = `Basic ${Buffer.from(`probe:${process.env.HEALTH_PASSWORD}`).toString('base64')}`;
const server = http.createServer((request, response) => {
  if (request.url !== '/api/health') {
    response.end(`<!doctype html><title>${database.prepare('SELECT count(*) AS pages FROM pages').get().pages}</title>`);
  } else if (request.headers.authorization !== allowed) {
    response.writeHead(401, {'www-authenticate': 'Basic realm="health"'}).end();
  } else {
    response.end(JSON.stringify({status: 'pass', version: VERSION}));
  }
});
server.listen(Number(process.env.PORT), process.env.HOSTNAME);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
process.on('SIGINT', () => server.close(() => process.exit(0)));
