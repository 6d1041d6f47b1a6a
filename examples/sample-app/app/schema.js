'use strict';

const ROWS = 20000;

/** Bring the database to the schema of this revision; a new one gets some thousands of rows. */
function migrate(database) {
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000');
  if (database.prepare('PRAGMA user_version').get().user_version >= 1) return;
  database.exec('BEGIN IMMEDIATE');
  database.exec('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, category INTEGER NOT NULL, created_at TEXT)');
  const insert = database.prepare("INSERT INTO items (name, category, created_at) VALUES (?, ?, datetime('now'))");
  for (let number = 0; number < ROWS; number += 1) insert.run(`item ${number}`, number % 40);
  database.exec('PRAGMA user_version = 1');
  database.exec('COMMIT');
}

module.exports = {migrate};
