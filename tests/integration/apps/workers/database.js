'use strict';
const {DatabaseSync} = require('node:sqlite');

const VERSION = 1;

function open() {
  const database = new DatabaseSync(process.env.DATABASE_PATH, {timeout: 5000});
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, done INTEGER)');
  return database;
}

module.exports = {open, VERSION};
