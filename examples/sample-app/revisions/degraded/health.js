'use strict';

/** Say that the service works, if not as it should. */
async function health({pool, revision}) {
  await pool.read((connection) => connection.prepare('SELECT id FROM items LIMIT 1').get());
  return {status: 'degraded', revision};
}

module.exports = {health};
