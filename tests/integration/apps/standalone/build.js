'use strict';
// What `next build` makes with `output: 'standalone'`: a server in a folder of its own, with the id of the build.
const fs = require('node:fs');
fs.rmSync('.next', {recursive: true, force: true});
fs.cpSync('app', '.next/standalone', {recursive: true});
fs.writeFileSync('.next/standalone/BUILD_ID', String(Date.now()));
