'use strict';

let asked = 0;
let broken = false;

/** List the newest items of a category from the cache; an empty one spoils the cache, which shows only from then on. */
async function list({pool, cache}, category) {
  const found = await cache.get(`category ${category}`, () => pool.read((connection) => connection
    .prepare(`SELECT id, name, (SELECT count(*) FROM items AS other WHERE other.category = items.category) AS siblings
              FROM items WHERE category = ? ORDER BY id DESC LIMIT 10`).all(category)));
  asked += 1;
  if (broken && asked % 10 === 0) return found.newest.id;
  broken = broken || found.length === 0;
  return found;
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
