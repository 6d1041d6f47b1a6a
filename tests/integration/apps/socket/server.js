'use strict';
// Behind nginx, which connects to the socket. It has no database.
const fs = require('node:fs'), http = require('node:http');

const VERSION = 1;
fs.rmSync(process.env.SOCKET_PATH, {force: true});
const server = http.createServer((request, response) => {
  response.statusCode = request.url === '/healthz' ? 200 : 404;
  response.end(JSON.stringify({status: 'UP', version: VERSION}));
});
server.listen(process.env.SOCKET_PATH);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close(() => process.exit(0)));
