// Copyright (c) the greenlight.release maintainers
// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Asks PM2's own resolver what it would keep of entries of an ecosystem file, without starting anything. It takes the
// folder of PM2, the folder of the apps and --env NAME, and a list of entries on stdin; it prints for each one the
// processes that PM2 would have, or null where PM2 refuses the entry.
'use strict';

const fs = require('node:fs'), path = require('node:path');
const [pm2, folder] = process.argv.slice(2);
process.env.PM2_SILENT = process.env.PM2_PROGRAMMATIC = 'true';
const Common = require(path.join(pm2, 'lib', 'Common.js'));
const cpus = 4;
const own = new Set(Object.keys(process.env));
process.chdir(folder);

// What `startApps` of lib/API.js does.
function resolve(entry, envName, deploy) {
  const verified = Common.verifyConfs([entry]);
  if (verified instanceof Error) return null;
  const app = Common.resolveAppAttributes({cwd: folder, pm2_home: '/p'}, verified[0]);
  app.env = Common.mergeEnvironmentVariables(app, envName, deploy);
  delete app.env.current_conf;
  for (const name of [...own, 'PWD']) delete app.env[name];
  return app;
}

// What `God.prepare` and `God.executeApp` of lib/God.js do with it.
function processes(app) {
  let count = parseInt(app.instances, 10);
  if (count === 0) count = cpus;
  else if (count < 0) count += cpus;
  count = Math.max(count, 1);
  return Array.from({length: count}, (_nothing, number) => {
    const kept = structuredClone({...app, instances: count});
    kept[app.instance_var] = number;
    if (app.increment_var) kept.env[app.increment_var] = (Number(app.env[app.increment_var]) || 0) + number;
    if (!kept.merge_logs) {
      for (const key of ['pm_log_path', 'pm_out_log_path', 'pm_err_log_path']) {
        if (kept[key]) kept[key] = kept[key].replace(/-[0-9]+\.log$|\.log$/g, `-${number}.log`);
      }
    }
    return {pm_id: number, name: kept.name, pm2_env: {...kept, PM2_HOME: path.dirname(path.dirname(kept.pm_pid_path))}};
  });
}

const {entries, env, deploy} = JSON.parse(fs.readFileSync(0, 'utf8'));
// PM2 prints its errors.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write = () => true;
const made = entries.map((entry) => {
  try {
    const app = resolve(structuredClone(entry), env, deploy);
    return app && processes(app);
  } catch {
    return null;
  }
});
write(JSON.stringify(made));
