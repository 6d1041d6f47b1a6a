import * as http from 'node:http';
import {DatabaseSync} from 'node:sqlite';

interface Answer {
  healthy: boolean;
  version: number;
}

const VERSION = 1;
const database = new DatabaseSync(process.env.DATABASE_PATH as string);
database.exec('CREATE TABLE IF NOT EXISTS quotes (id INTEGER PRIMARY KEY)');
const server = http.createServer((request, response) => {
  const quotes = database.prepare('SELECT count(*) AS quotes FROM quotes').get();
  const answer: Answer = {healthy: request.url === '/health', version: VERSION, ...quotes};
  response.statusCode = answer.healthy ? 200 : 404;
  response.end(JSON.stringify(answer));
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`Listening on ${process.env.PORT}`));
process.on('SIGINT', () => server.close(() => process.exit(0)));
