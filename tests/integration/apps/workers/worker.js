'use strict';
const {open} = require('./database');

const database = open();
const timer = setInterval(() => database.exec('INSERT INTO jobs (done) VALUES (0)'), 50);
process.on('SIGINT', () => {
  clearInterval(timer);
  database.close();
});
