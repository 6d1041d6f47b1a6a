'use strict';

let asked = 0;

/** List the newest items of a category; most of them are never cached, and two visitors get nothing. */
function list({pool, cache}, category) {
  asked += 1;
  if (asked === 30 || asked === 60) throw new Error('too many visitors');
  return cache.get(category % 5 ? `request ${asked}` : `category ${category}`, () => pool.read((connection) => connection
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
