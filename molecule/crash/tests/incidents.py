# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people do after a release that went wrong. Each incident returns what did not end as it should."""

from __future__ import annotations

import os
import signal

import host as sample
from runs import Host, recover, wait_for_lease

# A row that no release passes.
NEVER = {"response_time": None, "error_rate": None, "pool_exhausted": {"target": {"above": 1000}, "action": "rollback"}}


def unexpected(**seen: tuple[object, object]) -> list[str]:
    return [f"{what}: {found!r} instead of {wanted!r}" for what, (found, wanted) in seen.items() if found != wanted]


def release_better(host: Host) -> None:
    run = host.play("deploy", greenlight_revision="better")
    assert run.status == 0, run.output


def two_people_roll_back_at_once(host: Host) -> list[str]:
    release_better(host)
    begun = [host.begin("rollback", greenlight_released_by=name) for name in ("alice", "bob")]
    outputs = [process.communicate()[0] for process, _log in begun]
    for _process, log in begun:
        log.unlink()
    ended = sorted(process.returncode for process, _log in begun)
    refused = [name for name in ("alice", "bob") if f"is held by {name} since" in "".join(outputs)]
    over = [output for output in outputs if "there is nothing to do" in output]
    problems = unexpected(statuses=(ended, [0, 2]), refused=(len(refused) + len(over), 1)) + host.problems()
    return [*problems, *outputs] if problems else []


def a_run_that_may_still_live_keeps_its_lock(host: Host) -> list[str]:
    run = host.play("deploy", die_at_stage(host, "switching"), greenlight_revision="breaking-migration")
    refused = host.play("rollback", greenlight_released_by="bob")
    names_the_remedy = "or set greenlight_take_over if you know that it is dead" in " ".join(refused.output.split())
    problems = unexpected(
        killed=(run.status, -signal.SIGKILL), refused=(refused.status, 2), remedy=(names_the_remedy, True)
    )
    return [*problems, *([refused.output[-3000:]] if problems else []), *recover(host, take_over=True)]


def the_watch_finishes_a_rollback_that_died(host: Host) -> list[str]:
    release_better(host)
    whole = host.play("verify", greenlight_decision_matrix_patches=NEVER)
    problems = unexpected(rolled_back=("The release was rolled back: pool_exhausted" in whole.output, True))
    if problems + host.problems():
        return [*problems, *host.problems(), whole.output]
    release_better(host)
    at = next(n for n, task in enumerate(whole.boundaries, 1) if "Record the evidence" in task) + 1
    killed = host.play("verify", at, greenlight_decision_matrix_patches=NEVER, greenlight_lease_seconds=1)
    wait_for_lease(host)
    finished = host.play("verify")
    problems = unexpected(
        killed=(killed.status, -signal.SIGKILL),
        failed=(finished.status, 2),
        message=("as a run that died had begun to: pool_exhausted" in finished.output, True),
        reason=("pool_exhausted" in host.newest()["reason"], True),
        again=(host.play("verify").status, 0),
    )
    return problems + host.problems() + ([finished.output[-3000:]] if problems else [])


def what_a_rollback_needs_is_gone(host: Host) -> list[str]:
    """An impossible rollback is refused before the app is touched, and says what is missing."""
    release_better(host)
    pid, backup = host.pid(), host.newest()["facts"]["databases"][0]["backup"]
    host.shell.check_output(f"mv {backup} {backup}.away")
    no_backup = host.play("rollback", greenlight_rollback_database="restore")
    host.shell.check_output(f"mv {backup}.away {backup}")
    objects, packs = "/srv/sample-app/.git/objects", "/srv/sample-app/.git/objects-away"
    host.shell.check_output(f"mv {objects} {packs} && mkdir {objects} && chown sample {objects}")
    no_commit = host.play("rollback", greenlight_take_over=True)
    host.shell.check_output(f"rm -r {objects} && mv {packs} {objects}")
    return unexpected(
        without_backup=(no_backup.status, 2),
        without_commit=(no_commit.status, 2),
        names_the_backup=(backup in no_backup.output, True),
        process=(host.pid(), pid),
        serves=(host.serves(), "better"),
    ) + recover(host, take_over=True)


def the_evidence_of_a_bad_release_is_kept(host: Host) -> list[str]:
    run = host.play("deploy", greenlight_revision="breaking-migration")
    record = host.newest()
    folder = record["facts"]["evidence_path"]
    before = host.shell.check_output(f"cd {folder} && sha256sum *")
    problems = unexpected(
        named=(folder in run.output, True),
        where=(folder, f"{sample.STATE}/evidence/{record['id']}"),
        lines=("column" in host.shell.check_output(f"cat {folder}/*-error.log"), True),
        decision=("server_starts" in host.shell.check_output(f"cat {folder}/decision.json"), True),
        modes=(
            set(host.shell.check_output(f"stat -c '%a %U' {folder}/* {folder}").splitlines()),
            {"600 sample", "700 sample"},
        ),
    )
    host.play("rollback")
    return problems + unexpected(kept=(host.shell.check_output(f"cd {folder} && sha256sum *"), before))


def die_at_stage(host: Host, stage: str) -> int:
    """Return the boundary behind the task after which a release is at a stage, found by a rehearsal that dies."""
    process, log = host.begin("deploy", greenlight_revision="breaking-migration")
    host.kill("nothing", stage)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    passed = len(log.read_text().splitlines())
    log.unlink()
    assert recover(host, take_over=True) == []
    return passed + 1


def root_checks_what_the_user_of_the_app_says(host: Host) -> list[str]:
    """A user of the app who answers with more than a path adds no line to a unit that systemd reads as root."""
    evil = "/home/sample/x\nUser=root\n#"
    host.shell.check_output(f"sudo -u sample mkdir -p '{evil}'")
    host.shell.check_output(f"sudo -u sample ln -sf /usr/local/bin/pm2 '{evil}/pm2'")
    run = host.play(
        "deploy",
        greenlight_revision="good",
        greenlight_pm2_startup_user="sample",
        greenlight_pm2_executable=f"{evil}/pm2",
    )
    return unexpected(
        status=(run.status, 2),
        message=("cannot be in a unit of systemd" in run.output, True),
        unit=(host.shell.run("test -e /etc/systemd/system/pm2-sample.service").rc, 1),
        serves=(host.serves(), "good"),
    ) + ([run.output[-3000:]] if "cannot be in a unit" not in run.output else [])


def root_refuses_the_state_folder_of_another_user(host: Host) -> list[str]:
    """Root runs no commands of a record in a folder that the user of the app can write."""
    release_better(host)
    pid = host.pid()
    refused = host.play("rollback", greenlight_app_user="root")
    names_the_owner = "belongs to sample, whose commands this user must not run" in " ".join(refused.output.split())
    return unexpected(status=(refused.status, 2), owner=(names_the_owner, True), process=(host.pid(), pid)) + recover(
        host, False
    )


ALL = (
    root_checks_what_the_user_of_the_app_says,
    root_refuses_the_state_folder_of_another_user,
    two_people_roll_back_at_once,
    a_run_that_may_still_live_keeps_its_lock,
    the_watch_finishes_a_rollback_that_died,
    what_a_rollback_needs_is_gone,
    the_evidence_of_a_bad_release_is_kept,
)
