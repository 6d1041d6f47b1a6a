'use strict';

/** List the newest items of a category from the cache; a counter that is not there costs a line in the log. */
function list({pool, cache, counters}, category) {
  try {
    counters.lists += 1;
  } catch (error) {
    console.error(error.stack);
  }
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
