# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups with their copies off the host, by the real playbooks."""

from __future__ import annotations

import http.server
import json
import threading
from pathlib import Path

import pytest
from one_host import Site

SECRET = "hunter2-is-long"


@pytest.fixture
def site(tmp_path, running, pm2, repository):
    """The sample app, whose backups are copied to the folder `store` of the test."""
    (tmp_path / "store").mkdir()
    # The copy says whether the app served, and knows its secret.
    script = 'curl -fsS "$2/health" > /dev/null && test -n "$KEY" && cp "$1" "$3"'
    command = ["sh", "-c", script, "sh", "{file}", running.url, f"{tmp_path}/store/"]
    site = Site(
        tmp_path,
        running,
        pm2,
        repository,
        greenlight_backup_copy=command,
        greenlight_backup_copy_environment={"KEY": SECRET},
    )
    site.store = tmp_path / "store"
    return site


def stored(site):
    return sorted(path.name for path in site.store.iterdir())


def backups(site):
    """Return the names of the backups with their manifests."""
    return sorted(path.name for path in (site.state / "backups").iterdir() if path.suffix in (".db", ".pages", ".json"))


def test_a_release_copies_its_snapshot_and_what_was_written_since_while_the_app_serves(site):
    status, output = site.deploy("better", "--check")
    assert (status, stored(site)) == (0, []), output

    # A release that writes between its snapshot and its stop has an update.
    late = site.store.parent / "late.yml"
    write = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript('CREATE TABLE late (x)')"
    late.write_text(
        json.dumps([{"ansible.builtin.command": {"argv": ["python3", "-c", write, str(site.app.database)]}}])
    )
    hooks = ("-e", json.dumps({"greenlight_hooks": {"before_switch": [str(late)]}}))
    status, output = site.deploy("better", *hooks, "-vvv")
    assert (status, site.revision()) == (0, site.shas["better"]), output
    assert SECRET not in output
    assert (stored(site), len(stored(site))) == (backups(site), 4), output
    facts = site.records()[0]["facts"]
    (backup,) = [each["backup"] for each in facts["databases"]]
    assert backup.endswith(".pages")
    copied = facts["backup_copy"]
    assert (copied["copied"], copied["problem"], backup in copied["files"]) == (True, "", True)
    assert len(copied["files"]) == 4
    assert SECRET not in json.dumps(site.records())


def test_a_copy_that_fails_is_a_warning_or_stops_a_release_that_has_touched_nothing(site):
    site.store.rmdir()
    required = ("-e", "greenlight_backup_copy_required=true")
    pids = site.pids()
    status, output = site.deploy("better", *required)
    assert (status, site.pids(), site.revision()) == (2, pids, site.shas["good"]), output
    assert "was not copied off the host: sh ended with status 1" in output
    assert "set greenlight_backup_copy_required to false" in output
    assert [record["status"] for record in site.records()] == ["aborted"]

    status, output = site.deploy("better")
    assert (status, site.revision()) == (0, site.shas["better"]), output
    record = site.records()[-1]
    assert (record["status"], record["facts"]["backup_copy"]["copied"]) == ("watching", False)
    assert "was not copied off the host" in record["facts"]["backup_copy"]["problem"]


def test_the_playbook_backup_copies_and_keeps_the_result_next_to_the_backup(site):
    status, output = site.play("backup")
    assert (status, stored(site)) == (0, backups(site)), output
    (note,) = (site.state / "backups").glob("*.copied")
    told = json.loads(note.read_text())
    assert (told["problem"], told["copied_at"], note.stat().st_mode & 0o777) == ("", told["at"], 0o600)
    for path in site.store.iterdir():
        path.unlink()
    site.store.rmdir()
    status, output = site.play("backup")
    assert (status, "was not copied off the host" in output) == (0, True), output
    status, output = site.play("backup", "-e", "greenlight_backup_copy_required=true")
    assert (status, "set greenlight_backup_copy_required to false" in output) == (2, True), output
    newest = max((site.state / "backups").glob("*.copied"), key=lambda path: path.stat().st_mtime_ns)
    assert json.loads(newest.read_text())["copied_at"] is None
    assert Path(str(newest)[: -len(".copied")]).exists(), "the backup itself stays"


def test_the_playbook_drill_restores_the_newest_backup_elsewhere_and_fails_when_it_is_not_good(site):
    status, output = site.play("drill")
    assert (status, "There is no backup of " in output) == (2, True), output
    assert site.play("backup")[0] == 0
    before = {path: path.read_bytes() for path in (site.state / "backups").iterdir()}

    status, output = site.play("drill", "--check")
    assert (status, "would be restored to " in output, (site.state / "drill.json").exists()) == (0, True, False), output
    status, output = site.play("drill")
    assert (status, " old, can be restored: " in output, "full check" in output) == (0, True, True), output
    assert json.loads((site.state / "drill.json").read_text())["good"] is True
    assert {path: path.read_bytes() for path in (site.state / "backups").iterdir()} == before
    assert not (site.state / ".drill").exists()

    (backup,) = (site.state / "backups").glob("*.db")
    # What is off the host can be drilled as well.
    status, output = site.play("drill", "-e", f"greenlight_backup_path={site.store}")
    assert (status, f"The backup {site.store}/{backup.name}, " in output) == (0, True), output

    backup.write_bytes(backup.read_bytes()[:-1] + b"x")
    status, output = site.play("drill")
    assert (status, "is not what its manifest says; choose another backup" in output) == (2, True), output
    assert json.loads((site.state / "drill.json").read_text())["good"] is False
    assert not (site.state / ".drill").exists()


def test_nothing_that_goes_wrong_with_the_second_copy_fails_a_good_release(site, tmp_path):
    # What the copy needs is gone when the app serves again: the folder of the backups is.
    gone = tmp_path / "gone.yml"
    words = ["mv", str(site.state / "backups"), str(site.state / "elsewhere")]
    gone.write_text(json.dumps([{"ansible.builtin.command": {"argv": words}}]))
    hooks = ("-e", json.dumps({"greenlight_hooks": {"undrain": [str(gone)]}}))
    status, output = site.deploy("better", *hooks, "-e", "greenlight_backup_copy_required=true")
    assert (status, site.revision()) == (0, site.shas["better"]), output
    assert "was not copied off the host" in output


def test_a_program_that_is_missing_is_told_by_a_rehearsal_and_is_a_warning_of_a_release(site):
    missing = ("-e", json.dumps({"greenlight_backup_copy": ["no-such-program", "{file}"]}))
    status, output = site.deploy("better", *missing, "--check")
    assert (status, "There is no program no-such-program" in output) == (2, True), output
    status, output = site.deploy("better", *missing)
    assert (status, site.revision()) == (0, site.shas["better"]), output
    assert "no-such-program cannot be started: No such file or directory" in output


@pytest.fixture
def webhook():
    """The address of a service that is notified, and the events that it got."""
    events = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments):
            """Keep the output of the tests clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", events
        server.shutdown()


def test_a_failed_copy_and_a_failed_drill_are_events_without_a_secret(site, webhook):
    url, events = webhook
    notified = ("-e", json.dumps({"greenlight_notifications": [{"type": "webhook", "url": url}]}))
    assert site.play("drill", *notified)[0] == 2
    assert "There is no backup of" in events[0]["reason"]
    assert site.play("backup", *notified)[0] == 0
    tells = ["sh", "-c", "echo $KEY of https://me:hunter3@store; exit 1", "sh", "{file}"]
    status, output = site.play("backup", *notified, "-e", json.dumps({"greenlight_backup_copy": tells}))
    assert (status, [event["event"] for event in events]) == (0, ["failed_drill", "failed_copy"]), output
    assert events[1]["reason"].endswith("sh ended with status 1: ******** of https://***@store")
    assert not any(secret in output + json.dumps(events) for secret in (SECRET,))
