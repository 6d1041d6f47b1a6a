'use strict';
const database = require('./database').open();
database.exec('DELETE FROM jobs WHERE done = 1');
database.close();
