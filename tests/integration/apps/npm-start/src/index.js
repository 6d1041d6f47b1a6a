'use strict';
const {DatabaseSync} = require('node:sqlite');
const fastify = require('fastify')({logger: true});

const VERSION = 1;
const database = new DatabaseSync(process.env.DATABASE_PATH);
database.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT)');
fastify.get('/healthz', async () => ({status: 'UP', version: VERSION}));
fastify.get('/orders', async () => database.prepare('SELECT * FROM orders').all());
fastify.addHook('onClose', async () => database.close());
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => fastify.close().then(() => process.exit(0)));
fastify.listen({port: Number(process.env.PORT), host: '127.0.0.1'});
