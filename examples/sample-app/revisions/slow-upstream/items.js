'use strict';

const {setTimeout} = require('node:timers/promises');

/** List the newest items of a category from the cache, but ask an upstream first, which takes its time. */
async function list({pool, cache}, category) {
  await setTimeout(60);
  return cache.get(`category ${category}`, () => pool.read((connection) => connection
    .prepare(`SELECT id, name, (SELECT count(*) FROM items AS other WHERE other.category = items.category) AS siblings
              FROM items WHERE category = ? ORDER BY id DESC LIMIT 10`).all(category)));
}

function add({writer}, name, category) {
  return Number(writer.prepare("INSERT INTO items (name, category, created_at) VALUES (?, ?, datetime('now'))")
    .run(name, category).lastInsertRowid);
}

/** Count the items; asked often, so cached. */
function count({pool, cache}) {
  return cache.get('count', () => pool.read((connection) => connection
    .prepare('SELECT count(*) AS items FROM items').get().items));
}

module.exports = {list, add, count};
