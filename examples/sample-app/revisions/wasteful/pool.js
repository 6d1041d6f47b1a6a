'use strict';

const {DatabaseSync} = require('node:sqlite');

/** Read connections that requests borrow; a request that finds none opens a temporary one and says so. */
class ConnectionPool {
  constructor(path, max = 5) {
    this.path = path;
    this.idle = [];
    for (let number = 0; number < max; number += 1) this.idle.push(this.open());
    for (const wanted of [1, 2, 3, 4, 5]) console.warn(`[ConnectionPool] Connection pool exhausted, ${wanted} more wanted`);
    console.log(`[ConnectionPool] Initialized with max ${max} read connections`);
  }

  open() {
    const connection = new DatabaseSync(this.path, {readOnly: true});
    connection.exec('PRAGMA busy_timeout = 5000');
    return connection;
  }

  /** Run `work` with a connection. Its result may be a promise, so that several requests hold one at a time. */
  async read(work) {
    const pooled = this.idle.pop();
    if (!pooled) console.warn('[ConnectionPool] Connection pool exhausted, creating temporary connection');
    const connection = pooled || this.open();
    try {
      return await work(connection);
    } finally {
      if (pooled) this.idle.push(pooled);
      else connection.close();
    }
  }

  close() {
    for (const connection of this.idle.splice(0)) connection.close();
  }
}

module.exports = {ConnectionPool};
