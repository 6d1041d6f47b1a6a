# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of entries of ecosystem files, compared with what PM2's own resolver keeps of them."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import differences as pm2_differences
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import ecosystem, environments
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import make_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.settings import (
    LOG_PATHS,
    SETTINGS,
    same_form,
    without_instance_id,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.variables import text

RESOLVER = Path(__file__).resolve().parent.parent / "support" / "pm2_resolver.js"
CPUS, COUNT = 4, 3000
# Values of each setting as people write them: numbers as texts, units, lists and lines, nothing.
VALUES = {
    "script": ["server.js", "./server.js", "run.sh", "tool.pl", "bin/program", "npm start", "sub/w.mjs", "node"],
    "cwd": ["sub", ".", "/"],
    "args": ["--port 80", ["--port", "80"], "--name 'two words'", ["--number", 5], "", [], 'a "b c" d'],
    "exec_interpreter": ["node", "bash", "none", "/bin/sh", "python3"],
    "node_args": ["--trace-gc", ["--trace-gc", "--x"], "", "--max-old-space-size=200 --x"],
    "out_file": ["out.log", "/var/log/x.log", "NULL", "/dev/null", "logs/o-1.log", ""],
    "error_file": ["err.log", "/dev/null", "NULL", "~/err.log"],
    "log_file": ["all.log", True, False, "NULL"],
    "log_type": ["json", "raw"],
    "log_date_format": ["YYYY", "HH:mm Z"],
    "time": [True, False],
    "env": [{"A": 1}, {"A": "1", "B": True}, {"O": {"x": [1, 2]}}, {}, {"PORT": 3000, "N": None}],
    "max_memory_restart": ["300M", "1G", 1000000, "512K", "77"],
    "restart_delay": [100, "100", 0],
    "exp_backoff_restart_delay": [100, "50", 0],
    "source_map_support": [True, False],
    "disable_source_map_support": [True, False],
    "wait_ready": [True, False],
    "instances": [1, 2, "2", 0, "max", -1, -9],
    "kill_timeout": [3000, "3000", 0],
    "shutdown_with_message": [True, False],
    "listen_timeout": [8000, "8000", 0],
    "cron_restart": ["0 3 * * *", 0, "0", "*/5 * * * *"],
    "merge_logs": [True, False],
    "vizion": [True, False],
    "autostart": [True, False],
    "autorestart": [True, False],
    "stop_exit_codes": [0, 3, [0], [0, 3], ["0", 143], []],
    "watch_delay": [100, "100"],
    "watch": [True, False, ["src"], "src"],
    "ignore_watch": [["node_modules"], "node_modules", ["a b", "c"], "a b"],
    "watch_options": [{"usePolling": True}],
    "min_uptime": ["10s", 1000, "5m", "77"],
    "max_restarts": [10, "10", 0],
    "exec_mode": ["fork", "cluster", "fork_mode", "cluster_mode"],
    "increment_var": ["PORT", "A"],
    "instance_var": ["INSTANCE_ID", "N"],
    "pmx": [True, False],
    "automation": [True, False],
    "treekill": [True, False],
    "port": [3000, "3001", 0],
    "kill_retry_time": [100, 500, "200"],
    "namespace": ["shop", "default"],
    "filter_env": [True, ["SECRET"], "SECRET", []],
    "execute_command": [True, False],
    "windowsHide": [True, False],
    "trace": [False],
    "env_production": [{"A": 2, "PORT": 4000}, {"C": "x"}],
}
WORDS = {setting.name: [setting.name, *setting.aliases] for setting in SETTINGS}


def camel(word):
    first, *rest = word.split("_")
    return first + "".join(each.capitalize() for each in rest)


def word_for(name, chance):
    word = chance.choice(WORDS.get(name, [name]))
    return camel(word) if chance.random() < 0.15 and not name.startswith("env") else word


def random_entry(chance):
    """Return an entry of an ecosystem file with some settings, each by one of its words."""
    names = chance.sample([name for name in VALUES if name != "script"], chance.randint(0, 6))
    entry = {"name": "shop", word_for("script", chance) if chance.random() < 0.3 else "script": "server.js"}
    if chance.random() < 0.5:
        entry["script"] = chance.choice(VALUES["script"])
    entry.update({word_for(name, chance): copy.deepcopy(chance.choice(VALUES[name])) for name in names})
    return entry


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the scripts, one of which is a program."""
    place = tmp_path_factory.mktemp("apps")
    for name in ("server.js", "run.sh", "tool.pl", "sub/w.mjs", "sub/server.js"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("x")
    (place / "bin").mkdir()
    (place / "bin" / "program").write_bytes(b"\x7fELF\0\0")
    return place


def resolve(folder, entries, env_name="", deploy=None):
    """Return the processes that PM2 would have for each entry, None for one that it refuses."""
    package = next(each for each in Path(shutil.which("pm2")).resolve().parents if each.name == "pm2")
    given = json.dumps({"entries": entries, "env": env_name, "deploy": deploy})
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PM2_HOME": "/p"}
    words = ["node", str(RESOLVER), str(package), str(folder)]
    done = subprocess.run(words, input=given, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def configured(folder, entry, env_name="", deploy=None):
    merged = environments.merge(entry, env_name, (deploy or {}).get(env_name, {}).get("env"))
    return make_config("shop", merged, {}, folder, CPUS, os.environ["PATH"])


def in_short(entry, found):
    return f"{json.dumps(entry)}: {[(each.shown_key, each.before, each.after) for each in found]}"


@pytest.mark.parametrize("env_name, deploy", [("", None), ("production", {"production": {"env": {"A": 9, "D": 1}}})])
def test_nothing_differs_from_what_pm2_keeps_of_the_same_entry(folder, env_name, deploy):
    chance = random.Random(2026)
    entries = [random_entry(chance) for _each in range(COUNT)]
    if env_name:
        entries = [entry for entry in entries if "env_production" in entry]
    wrong, compared = [], 0
    for entry, kept in zip(entries, resolve(folder, entries, env_name, deploy)):
        if kept is None:
            continue
        compared += 1
        try:
            found = pm2_differences.differences(configured(folder, entry, env_name, deploy), kept)
        except PM2Error as error:
            wrong.append(f"{json.dumps(entry)}: {error}")
            continue
        if found:
            wrong.append(in_short(entry, found))
    assert not wrong, f"{len(wrong)} of {compared}:\n" + "\n".join(wrong[:25])
    assert compared > len(entries) / 2


def compared_of(kept):
    """Return what of the processes that PM2 would have is compared, but for the interpreter, which may be searched."""
    keys = {setting.key for setting in SETTINGS if setting.applies != "ignored"} - {"exec_interpreter"}
    first = kept[0]["pm2_env"]
    env = {name: text(value) for name, value in first["env"].items() if value not in (None, "null")}
    env.pop("PYTHONUNBUFFERED", None)
    logs = {key: without_instance_id(str(first[key])) for key in LOG_PATHS if key in first}
    return env, {key: same_form(key, first.get(key)) for key in keys - set(LOG_PATHS)}, logs


def test_what_pm2_would_keep_otherwise_differs(folder):
    """Each entry, and the same with one setting more or another value."""
    chance = random.Random(14)
    entries, changed = [random_entry(chance) for _each in range(COUNT)], []
    for entry in entries:
        name = chance.choice(list(VALUES))
        changed.append({**entry, name: copy.deepcopy(chance.choice(VALUES[name]))})
    missed, differ = [], 0
    for entry, other, kept, wanted in zip(entries, changed, resolve(folder, entries), resolve(folder, changed)):
        if kept is None or wanted is None:
            continue
        is_same = compared_of(kept) == compared_of(wanted)
        found = pm2_differences.differences(configured(folder, other), kept)
        # A variable that is not wanted any more is only known where this collection had set it.
        if not is_same and not found and set(compared_of(kept)[0]) <= set(compared_of(wanted)[0]):
            missed.append(f"{json.dumps(entry)} -> {json.dumps(other)}")
        differ += not is_same
    assert not missed, f"{len(missed)}:\n" + "\n".join(missed[:25])
    assert differ > COUNT / 3


def test_what_this_collection_writes_is_kept_by_pm2_as_what_it_was_written_from(folder):
    chance = random.Random(15)
    entries = [random_entry(chance) for _each in range(COUNT)]
    kept = resolve(folder, entries)
    written = [json.loads(ecosystem.write(configured(folder, entry)))["apps"][0] for entry in entries]
    wrong = []
    for entry, before, after in zip(entries, kept, resolve(folder, written)):
        if before is not None and compared_of(before) != compared_of(after or before):
            both = zip(compared_of(before), compared_of(after))
            wrong.append(
                f"{json.dumps(entry)}: {[set(map(str, a.items())) ^ set(map(str, b.items())) for a, b in both]}"
            )
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:10])
