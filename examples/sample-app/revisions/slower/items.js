'use strict';

/** List the newest items of a category, compared by name: every row reads the whole table several times. */
function list({pool}, category) {
  return pool.read((connection) => connection
    .prepare(`SELECT id, name, (SELECT count(*) FROM items AS other WHERE lower(other.name) > lower(items.name)) AS rank
              FROM items WHERE category = ? ORDER BY id DESC LIMIT 10`).all(category));
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
