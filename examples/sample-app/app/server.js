'use strict';

const {execFileSync} = require('node:child_process');
const cluster = require('node:cluster');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const {DatabaseSync} = require('node:sqlite');

const {Cache} = require('./cache.js');
const {health} = require('./health.js');
const items = require('./items.js');
const {ConnectionPool} = require('./pool.js');
const {migrate} = require('./schema.js');

const HOST = process.env.HOST || '127.0.0.1';
const PORT = Number(process.env.PORT || 3000);
const DATABASE_PATH = process.env.DATABASE_PATH || path.join(__dirname, '..', 'data', 'app.db');

function start() {
  fs.mkdirSync(path.dirname(DATABASE_PATH), {recursive: true});
  const writer = new DatabaseSync(DATABASE_PATH);
  migrate(writer);
  const app = {
    writer,
    pool: new ConnectionPool(DATABASE_PATH),
    cache: new Cache(Number(process.env.CACHE_TTL_SECONDS || 30)),
    revision: readRevision(),
  };
  const server = http.createServer((request, response) => serve(app, request, response));
  server.listen(PORT, HOST, () => console.log(`Listening on ${HOST}:${PORT}`));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop(app, server));
}

/** Say which commit this is: of the file that lies in a release folder, or of the checkout. */
function readRevision() {
  const file = path.join(__dirname, 'REVISION');
  if (fs.existsSync(file)) return fs.readFileSync(file, 'utf8').trim();
  return execFileSync('git', ['-C', __dirname, 'rev-parse', 'HEAD'], {encoding: 'utf8'}).trim();
}

/** Answer what has begun, close the database, and end. A worker of a cluster may still get a connection. */
function stop(app, server) {
  server.close(() => setTimeout(() => {
    app.pool.close();
    app.writer.close();
    process.exit(0);
  }, cluster.isWorker ? 200 : 0));
  server.closeIdleConnections();
}

async function serve(app, request, response) {
  const began = performance.now();
  let status = 200;
  let body;
  try {
    [status, body] = await route(app, request);
  } catch (error) {
    console.error(`${request.method} ${request.url} failed: ${error.stack}`);
    [status, body] = [500, {error: 'internal error'}];
  }
  response.writeHead(status, {'content-type': 'application/json'});
  response.end(JSON.stringify(body));
  console.log(JSON.stringify({
    level: 30,
    time: Date.now(),
    method: request.method,
    url: request.url,
    statusCode: status,
    responseTime: Number((performance.now() - began).toFixed(2)),
  }));
}

async function route(app, request) {
  const url = new URL(request.url, 'http://localhost');
  const name = `${request.method} ${url.pathname}`;
  if (name === 'GET /health') {
    return [200, await health(app)];
  }
  if (name === 'GET /api/cache/stats') {
    return [200, {success: true, data: app.cache.statistics()}];
  }
  if (name === 'GET /api/items') {
    return [200, {success: true, data: await items.list(app, Number(url.searchParams.get('category') || 0))}];
  }
  if (name === 'GET /api/items/count') {
    return [200, {success: true, data: await items.count(app)}];
  }
  if (name === 'POST /api/items') {
    return [201, {success: true, data: {id: items.add(app, await readBody(request), Date.now() % 40)}}];
  }
  return [404, {error: 'not found'}];
}

async function readBody(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return String(JSON.parse(body).name);
}

start();
