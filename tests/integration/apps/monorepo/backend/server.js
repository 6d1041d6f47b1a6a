'use strict';
// The app of the runbook: started by hand, with its settings in .env, its databases in data and its own log file.
const fs = require('node:fs'), http = require('node:http'), path = require('node:path');
const {DatabaseSync} = require('node:sqlite');

const VERSION = 1;
process.loadEnvFile(path.join(__dirname, '.env'));
for (const folder of ['data', 'logs']) fs.mkdirSync(path.join(__dirname, folder), {recursive: true});
const database = new DatabaseSync(path.join(__dirname, 'data', 'cctv.db'));
database.exec('CREATE TABLE IF NOT EXISTS cameras (id INTEGER PRIMARY KEY)');
const events = new DatabaseSync(path.join(__dirname, 'data', 'events.db'));
events.exec('CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY)');
const file = fs.createWriteStream(path.join(__dirname, 'logs', 'app.log'), {flags: 'a'});
// As winston writes with format.json().
const log = (level, message) => file.write(`${JSON.stringify({level, message, service: 'cctv'})}\n`);

const answers = {
  '/health': () => ({status: 'ok', version: VERSION}),
  '/api/cache/stats': () => ({success: true, data: {hitRate: '95%'}}),
};
const server = http.createServer((request, response) => {
  const answer = answers[request.url];
  response.statusCode = answer ? 200 : 404;
  log('info', `${request.method} ${request.url}`);
  response.end(JSON.stringify(answer ? answer() : {}));
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => log('info', `Listens on ${process.env.PORT}`));
process.on('SIGINT', () => {
  database.close();
  events.close();
  server.close(() => process.exit(0));
});
