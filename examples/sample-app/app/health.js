'use strict';

/** Say whether the service can do its work: the database answers. */
async function health({pool, revision}) {
  await pool.read((connection) => connection.prepare('SELECT id FROM items LIMIT 1').get());
  return {status: 'ok', revision};
}

module.exports = {health};
