# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository behind a real sshd: keys, known hosts and agents, and what is said when one of them is missing."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from git_commands import commit, git
from machine import call_module, wait_for

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
USER = pwd.getpwuid(os.geteuid()).pw_name


def make_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
    return path


class Server:
    """An sshd on this machine that lets one key in, and a client that takes the known hosts from a file of the test."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.key, self.other, self.host = (make_key(folder / name) for name in ("key", "other", "host"))
        (folder / "authorized").write_text((folder / "key.pub").read_text())
        settings = {
            "Port": port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.host,
            "AuthorizedKeysFile": folder / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "yes",
        }
        (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self.known = folder / "known_hosts"
        self.trust()
        (folder / "bin").mkdir()
        program = folder / "bin" / "ssh"
        # In the place of ~/.ssh of the user, of whom ssh takes the home of the system.
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F none -oUserKnownHostsFile={self.known} "$@"\n')
        program.chmod(0o755)
        self.env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "SSH_AUTH_SOCK": ""}

    def trust(self):
        kind, key, _comment = (self.folder / "host.pub").read_text().split()
        self.known.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    @contextlib.contextmanager
    def running(self):
        with contextlib.suppress(OSError):
            Path("/run/sshd").mkdir()
        words = [SSHD, "-D", "-e", "-f", str(self.folder / "config")]
        with (self.folder / "log").open("wb") as log, subprocess.Popen(words, stderr=log) as process:
            try:
                wait_for(self.listens, "sshd")
                yield self
            finally:
                process.terminate()

    def listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def url(self, path):
        return f"ssh://{USER}@127.0.0.1:{self.port}{path}"


@pytest.fixture
def server(tmp_path, free_port):
    assert SSHD, "sshd is not installed; run: apt-get install openssh-server"
    folder = tmp_path / "ssh"
    folder.mkdir()
    with Server(folder, free_port).running() as started:
        yield started


@pytest.fixture
def origin(tmp_path):
    path = tmp_path / "origin"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", path)
    commit(path, {"a": "1"})
    git(tmp_path, "clone", "--quiet", f"file://{path}", tmp_path / "app")
    return path


def fetch(server, origin, sha, env=(), **more):
    given = {"path": str(origin.parent / "app"), "repository": server.url(origin), "sha": sha, **more}
    return call_module("git_revision", {"state": "fetched", **given}, env={**server.env, **dict(env)})


def test_a_deploy_key_a_key_of_the_play_and_one_of_an_agent_fetch_the_revision(server, origin):
    named = commit(origin, {"a": "2"})
    fetched = fetch(server, origin, named, deploy_key=str(server.key))
    assert (fetched["changed"], fetched["changed_paths"]) == (True, ["a"])
    given = {"state": "resolved", "repository": server.url(origin), "revision": "main", "deploy_key": str(server.key)}
    assert call_module("git_revision", given, env=server.env)["sha"] == named
    by_play = commit(origin, {"a": "3"})
    assert fetch(server, origin, by_play, {"GIT_SSH_COMMAND": f"ssh -i {server.key}"}.items())["changed"] is True
    by_agent = commit(origin, {"a": "4"})
    with agent(server.key, server.folder) as place:
        assert fetch(server, origin, by_agent, {"SSH_AUTH_SOCK": place}.items())["changed"] is True


@contextlib.contextmanager
def agent(key, folder):
    """Run an agent that has a key."""
    place = folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL) as process:
        wait_for(place.exists, "the agent")
        environment = {**os.environ, "SSH_AUTH_SOCK": str(place)}
        subprocess.run(["ssh-add", "-q", key], env=environment, capture_output=True, check=True)
        yield str(place)
        process.terminate()


def test_a_key_that_the_server_refuses_is_told_in_its_words(server, origin):
    sha = commit(origin, {"a": "2"})
    config = ("config", "core.sshCommand", f"ssh -i {server.key}")
    words = f": {USER}@127.0.0.1: Permission denied (publickey); let that host know the public key, or name a key that "
    for given in ({"deploy_key": str(server.other)}, {}):
        message = fetch(server, origin, sha, **given)["msg"]
        assert message.endswith(f"{words}it knows as greenlight_deploy_key")
    # Nothing that a checkout names is run, and its key can be named instead.
    git(origin.parent / "app", *config)
    message = fetch(server, origin, sha)["msg"]
    assert f"(its core.sshCommand is not run; set greenlight_deploy_key to {server.key}, or" in message


def test_a_host_that_is_not_known_or_has_another_key_is_told_in_the_words_of_ssh(server, origin):
    sha = commit(origin, {"a": "2"})
    server.known.write_text("")
    message = fetch(server, origin, sha, deploy_key=str(server.key))["msg"]
    assert ": Host key verification failed; get the key of that host from its owner, and add it to" in message
    kind, key, _comment = (server.folder / "other.pub").read_text().split()
    server.known.write_text(f"[127.0.0.1]:{server.port} {kind} {key}\n")
    message = fetch(server, origin, sha, deploy_key=str(server.key))["msg"]
    assert f"Host key for [127.0.0.1]:{server.port} has changed" in message
    assert "find out from its owner whether it has a new key" in message
    server.trust()
    assert fetch(server, origin, sha, deploy_key=str(server.key))["changed"] is True
