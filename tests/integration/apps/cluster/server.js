import http from 'node:http';
import {DatabaseSync} from 'node:sqlite';
import pino from 'pino';

const VERSION = 1;
const log = pino();
const database = new DatabaseSync(process.env.DATABASE_PATH, {timeout: 5000});
database.exec('CREATE TABLE IF NOT EXISTS feeds (id INTEGER PRIMARY KEY)');
const server = http.createServer((request, response) => {
  response.statusCode = request.url === '/health' ? 200 : 404;
  const {feeds} = database.prepare('SELECT count(*) AS feeds FROM feeds').get();
  response.end(JSON.stringify({ok: response.statusCode === 200, version: VERSION, feeds}));
  log.info({req: {method: request.method, url: request.url}, res: {statusCode: response.statusCode}}, 'request completed');
});
// It warms up before it listens, and has work to end: the times for that are in the ecosystem file.
setTimeout(() => server.listen(Number(process.env.PORT), '127.0.0.1', () => log.info('listening')), 1500);
process.on('SIGINT', () => server.close(() => setTimeout(() => process.exit(0), 1500)));
