# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: the sample app under a PM2 of its own, a release that goes green, and one that is rolled back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from environment import CACHE, CHECKOUT, NODE_MODULES, VENV, Missing, run, variables

DEMO = CACHE / "demo"
SAMPLE = CHECKOUT / "examples" / "sample-app"
BAD = ("crash-at-load", "crash-late", "degraded", "logs-errors", "slower", "breaking-migration")
PREFERRED_PORT = 3000


class Scene:
    """Where everything of one run of the demo is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        # A socket's path may have a hundred characters at most, and a checkout may lie deeper than that.
        self.pm2_home = Path(tempfile.mkdtemp(prefix="greenlight-demo-"))
        self.database = DEMO / "data" / "app.db"
        self.state = DEMO / "state"

    def pm2(self, *words: str | Path) -> str:
        return run([NODE_MODULES / ".bin" / "pm2", *words], "PM2", env=self.environment(), cwd=str(DEMO))

    def environment(self) -> dict[str, str]:
        sample = {"PORT": str(self.port), "DATABASE_PATH": str(self.database), "PM2_HOME": str(self.pm2_home)}
        return {**variables(), **sample}

    def health(self) -> dict[str, str]:
        with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
            return dict(json.load(answer))

    def rows(self) -> int:
        connection = sqlite3.connect(self.database)
        try:
            return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])
        finally:
            connection.close()


def clean_up() -> None:
    """End what an earlier run left behind, however that one ended, and remove its files but for the reports."""
    leftover = DEMO / "leftover.json"
    if leftover.exists():
        noted = json.loads(leftover.read_text())
        if _is_ours(noted.get("traffic", 0), str(SAMPLE / "traffic.py")):
            os.kill(noted["traffic"], signal.SIGKILL)
        home = Path(noted["pm2_home"])
        if home.exists():
            environment = {**variables(), "PM2_HOME": str(home)}
            run([NODE_MODULES / ".bin" / "pm2", "kill"], "PM2", env=environment)
            shutil.rmtree(home)
        leftover.unlink()
    for name in ("app", "repository", "data", "state", "group_vars"):
        shutil.rmtree(DEMO / name, ignore_errors=True)


def _is_ours(pid: int, script: str) -> bool:
    try:
        return script.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def show(bad: str, with_init: bool) -> int:
    """Run the whole demo, and return 0 only when everything that it promises is true.

    The variables of the app are written here, or by the playbook init `with_init`.
    """
    clean_up()
    DEMO.mkdir(mode=0o700, parents=True, exist_ok=True)
    for report in DEMO.glob("*Z-*.json"):
        report.unlink()
    scene = Scene(choose_port())
    note_leftovers(scene, 0)
    try:
        revisions = set_the_scene(scene)
        if with_init:
            write_by_init(scene)
        before = scene.rows()
        print(f"\nThe sample app runs at {scene.url}, revision good {revisions['good'][:8]}, {before} rows.\n")
        green = release(scene, "better", expect_rollback=False)
        red = release(scene, bad, expect_rollback=True)
        return conclude(scene, revisions, before, green, red)
    finally:
        clean_up()


def choose_port() -> int:
    for port in (PREFERRED_PORT, 0):
        with socket.socket() as probe:
            # The app's own connections of a moment ago must not count as somebody else's.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                print(f"Port {port} is taken, so another one is used.")
                continue
            return int(probe.getsockname()[1])
    raise Missing("No TCP port is free on 127.0.0.1")


def note_leftovers(scene: Scene, traffic: int) -> None:
    (DEMO / "leftover.json").write_text(json.dumps({"pm2_home": str(scene.pm2_home), "traffic": traffic}))


def set_the_scene(scene: Scene) -> dict[str, str]:
    """Make the repository, clone it, start the app, and write an inventory as a user would."""
    print("Making the sample app's repository and starting the app ...", flush=True)
    python = VENV / "bin" / "python"
    revisions = json.loads(run([python, SAMPLE / "make_repository.py", DEMO / "repository"], "The sample app"))
    run(["git", "clone", "--quiet", DEMO / "repository", DEMO / "app"], "git clone")
    scene.pm2("start", DEMO / "app" / "ecosystem.config.js")
    wait_for_health(scene)
    inventory = {
        "all": {
            "hosts": {"demo": {"ansible_connection": "local", "ansible_python_interpreter": str(python)}},
            "vars": {
                "greenlight_app_name": "sample-app",
                "greenlight_app_path": str(DEMO / "app"),
                "greenlight_repository": str(DEMO / "repository"),
                "greenlight_database_path": str(scene.database),
                "greenlight_health_url": f"{scene.url}/health",
                "greenlight_health_deadline": 20,
                "greenlight_response_time_url": f"{scene.url}/api/items?category=3",
                "greenlight_cache_stats_url": f"{scene.url}/api/cache/stats",
                "greenlight_required_log_lines": ["[ConnectionPool] Initialized with max 5 read connections"],
                "greenlight_pm2_home": str(scene.pm2_home),
                "greenlight_state_path": str(scene.state),
            },
        }
    }
    (DEMO / "inventory.json").write_text(json.dumps(inventory, indent=2))
    return dict(revisions)


def write_by_init(scene: Scene) -> None:
    """Let init write the variables, and leave to the inventory what init is told, and what only the demo wants."""
    inventory = json.loads((DEMO / "inventory.json").read_text())
    variables_of_demo = inventory["all"]["vars"]
    seen = ("app_name", "app_path", "repository", "database_path", "health_url", "cache_stats_url")
    inventory["all"]["vars"] = {
        name: value for name, value in variables_of_demo.items() if name.removeprefix("greenlight_") not in seen
    }
    (DEMO / "inventory.json").write_text(json.dumps(inventory, indent=2))
    written = DEMO / "group_vars" / "all" / "greenlight.yml"
    play = [VENV / "bin" / "ansible-playbook", "-i", DEMO / "inventory.json", "greenlight.release.init"]
    run(play, "The playbook init", env={**scene.environment(), "ANSIBLE_NOCOLOR": "1"})
    print(f"\nThe playbook init looked at the app, and wrote {written}:\n")
    print("\n".join(f"  {line}" for line in written.read_text().splitlines()))


def wait_for_health(scene: Scene) -> None:
    ends = time.monotonic() + 30
    while True:
        try:
            scene.health()
            return
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > ends:
                raise Missing(f"The sample app does not answer at {scene.url}: {error}") from error
            time.sleep(0.1)


def release(scene: Scene, revision: str, expect_rollback: bool) -> dict[str, object]:
    """Release a revision with traffic on the app, show what was decided, and return the report."""
    print(f"Releasing the revision {revision} while users read and write ...", flush=True)
    traffic_report, log = DEMO / "traffic.json", DEMO / f"{revision}.log"
    traffic_report.unlink(missing_ok=True)
    words = [VENV / "bin" / "python", SAMPLE / "traffic.py", "--url", scene.url, "--report", traffic_report]
    traffic = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL)
    note_leftovers(scene, traffic.pid)
    try:
        play = [VENV / "bin" / "ansible-playbook", "-i", DEMO / "inventory.json", "greenlight.release.deploy"]
        with log.open("w") as output:
            done = subprocess.run(
                [str(word) for word in [*play, "-e", f"greenlight_revision={revision}"]],
                env={**scene.environment(), "ANSIBLE_FORCE_COLOR": "0"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
    finally:
        traffic.terminate()
        traffic.wait()
    if (done.returncode != 0) != expect_rollback:
        print("\n".join(log.read_text().splitlines()[-25:]))
        raise Missing(f"The release of {revision} ended with status {done.returncode}; the whole output is in {log}")
    return show_decision(scene, json.loads(traffic_report.read_text()))


def show_decision(scene: Scene, traffic: dict[str, int]) -> dict[str, object]:
    """Print the decision of the newest release, keep its report, and return it."""
    sys.path.insert(0, str(CACHE / "collections"))
    from ansible_collections.greenlight.release.plugins.module_utils._decision import shown

    path = max((scene.state / "releases").glob("*.json"))
    record = json.loads(path.read_text())
    report = {"release": record, "traffic": traffic}
    (DEMO / path.name).write_text(json.dumps(report, indent=2))
    observation = record["observations"][-1]
    print()
    if "findings" in observation:
        print("\n".join(f"  {line}" for line in shown.render_table(observation)))
    else:
        print(f"  decision: {record['decision']} ({record['reason']})")
    print(
        f"\n  release {record['id']}: {record['status']}; of {traffic['sent']} requests {traffic['failed']} failed, "
        f"the longest time without an answer was {traffic['longest_gap_ms']} ms\n"
    )
    return report


def conclude(
    scene: Scene, revisions: dict[str, str], before: int, green: dict[str, object], red: dict[str, object]
) -> int:
    """Print what is true on the host now, and return 0 only when it is what was promised."""
    acknowledged = sum(int(each["traffic"]["acknowledged"]) for each in (green, red))  # type: ignore[index]
    running, rows = scene.health()["revision"], scene.rows()
    listed = scene.pm2("jlist")
    processes = json.loads(listed[listed.index("[{") :])
    status = processes[0]["pm2_env"]["status"]
    facts = {
        f"the first release was decided: {green['release']['decision']}": green["release"]["decision"] == "proceed",  # type: ignore[index]
        f"the second release was decided: {red['release']['decision']}": red["release"]["decision"] == "rollback",  # type: ignore[index]
        f"the second release is {red['release']['status']}": red["release"]["status"] == "rolled_back",  # type: ignore[index]
        f"the revision that runs is {running[:8]}, which is better": running == revisions["better"],
        f"PM2 says that the process is {status}": status == "online",
        f"{before} rows before, {acknowledged} writes acknowledged, {rows} rows now": rows >= before + acknowledged,
    }
    print("What is true on the host now:")
    for fact, holds in facts.items():
        print(f"  {'yes' if holds else 'NO '}  {fact}")
    print(f"\nThe reports are in {DEMO}, one JSON file a release.")
    return 0 if all(facts.values()) else 1
