# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook and modules as forks of one process that has imported Ansible and this collection.

Importing and packing them costs more than most of what the tests let them do. Each run is still a process of its own,
with its own environment, folder, files and process group, and it can be killed like any other. The interpreter is a
program to give to Ansible as the Python of a host: what it is asked to run is forked too.
"""

from __future__ import annotations

import atexit
import configparser
import contextlib
import gc
import importlib
import json
import os
import pickle
import pkgutil
import select
import shlex
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import traceback
import types
import warnings
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
COLLECTIONS = CHECKOUT / ".cache" / "collections"
# Ansible asks its workers a thousand times a second by default, which keeps a processor busy for nothing.
ANSIBLE_CFG = "[defaults]\ninternal_poll_interval = 0.01\n"
# More than any request is long.
LONGEST = 200_000


class Process:
    """A run that has begun. Its methods are those of subprocess.Popen."""

    def __init__(self, connection, output, errors):
        self._connection, self._output, self._errors = connection, output, errors
        self.pid = int(connection.recv(100))
        self.returncode = None

    def wait(self, timeout=None):
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(100))
            except socket.timeout as error:
                raise subprocess.TimeoutExpired(str(self.pid), timeout) from error
            self._connection.close()
        return self.returncode

    def kill(self):
        """Kill the run, but not what it has started."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def communicate(self, timeout=None):
        """Wait for the end, and return what was printed: as output, and as errors where they were kept apart."""
        self.wait(timeout)
        return tuple(file and _read(file) for file in (self._output, self._errors))


def _read(descriptor):
    with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor has no path)
        file.seek(0)
        return file.read().decode()


class Warm:
    """The process that forks: C(playbooks), with C(molecule)'s settings too, C(modules) or an C(interpreter).

    It ends with the one that started it.

    A module behaves differently in a process that has imported the part of Ansible for controllers.
    """

    def __init__(self, kind, python=sys.executable, **settings):
        self._python = str(python)
        self._folder = tempfile.TemporaryDirectory(prefix="gl-warm-")
        self._address = f"{self._folder.name}/socket"
        if "ANSIBLE_CONFIG" not in settings:
            settings["ANSIBLE_CONFIG"] = f"{self._folder.name}/ansible.cfg"
            Path(settings["ANSIBLE_CONFIG"]).write_text(ANSIBLE_CFG, encoding="utf-8")
        self.environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), **settings}
        self._process = subprocess.Popen(
            [self._python, __file__, kind, self._address],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout.readline() == b"ready\n", "the process that forks did not start"

    def stop(self):
        self._process.communicate()
        self._folder.cleanup()

    def begin(self, *words, given="", env=None, cwd=None, errors_apart=False):
        """Begin a run and return its Process. What it prints is kept, so that nobody has to read meanwhile."""
        output = os.memfd_create("output")
        errors = os.memfd_create("errors") if errors_apart else None
        request = {
            "words": [str(word) for word in words],
            "env": {**self.environment, **(env or {})},
            "cwd": str(cwd or Path.cwd()),
        }
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(self._address)
        with tempfile.TemporaryFile() as source:
            source.write(given.encode())
            source.seek(0)
            files = [source.fileno(), output, errors or output]
            socket.send_fds(connection, [json.dumps(request).encode()], files)
            return Process(connection, output, errors)

    def playbook(self, *words, env=None, cwd=None):
        """Begin ansible-playbook with these words."""
        return self.begin("ansible-playbook", *words, env=env, cwd=cwd)

    def program(self, name):
        """Return a program to run in its place: one of Ansible's, or Python where it runs an interpreter."""
        program = Path(self._folder.name) / name
        if not program.exists():
            words = [self._python, "-I", "-S", str(Path(__file__).with_name("ask.py")), self._address, name]
            program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
            program.chmod(0o700)
        return program

    def module(self, name, arguments, env=None, timeout=120):
        """Run a module to its end, and return what it printed as output and as errors."""
        given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
        process = self.begin(name, given=given, env=env, cwd="/", errors_apart=True)
        try:
            return process.communicate(timeout)
        finally:
            process.kill()


def serve(run, address):
    """Fork for every request, as a service for ever, and else until the pipe of the one who started this is closed."""
    watched = [0] if stat.S_ISFIFO(os.fstat(0).st_mode) else []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(address)
    listener.listen()
    # What is imported is never garbage; looking through it again in every run would only copy its memory.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
    print("ready", flush=True)
    while True:
        ready, _writable, _failed = select.select([listener, *watched], [], [])
        reap()
        if 0 in ready:
            return
        connection, _peer = listener.accept()
        if os.fork() == 0:
            listener.close()
            attend(run, connection)
        connection.close()


def reap():
    """Take leave of the runs that have ended, so that their time counts as that of this process."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def attend(run, connection):
    """Start what is asked for, and report its pid and how it ended."""
    os.setsid()
    message, files, _flags, _address = socket.recv_fds(connection, LONGEST, 3)
    pid = os.fork()
    # Both do it, so that neither goes on before it is done.
    os.setpgid(pid, pid)
    if pid == 0:
        connection.close()
        become(run, json.loads(message), files)
    for file in files:
        os.close(file)
    connection.send(str(pid).encode())
    ended = os.pidfd_open(pid)
    # Who asks says nothing more: what can be read is that it has died, and the run dies with it.
    if ended not in select.select([connection, ended], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        connection.send(str(status).encode())
    os._exit(0)


def become(run, request, files):
    """Be the process that was asked for, and end."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    try:
        os.chdir(request["cwd"])
    except PermissionError:
        # What sudo starts for another user may be where that user may not go.
        os.chdir("/")
    sys.argv = request["words"]
    status = 0
    try:
        run()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def prepare_playbooks():
    """Import what a playbook needs, and return what runs one, or another of Ansible's programs."""
    programs = {
        "ansible": "adhoc",
        **{f"ansible-{name}": name for name in ("playbook", "config", "galaxy", "inventory")},
    }
    mains = {name: importlib.import_module(f"ansible.cli.{part}").main for name, part in programs.items()}
    for part in ("executor.playbook_executor", "plugins.strategy.linear", "plugins.callback.default"):
        importlib.import_module(f"ansible.{part}")
    from ansible.executor import module_common
    from ansible.plugins.loader import filter_loader, init_plugin_loader
    from ansible.utils.path import cleanup_tmp_file

    init_plugin_loader()
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    for path in (CHECKOUT / "plugins" / "filter").glob("*.py"):
        filter_loader.get(f"greenlight.release.{path.stem}")

    module_common._CachedModule.dump = keep_packed
    compiled = Path(sys.argv[2]).with_name("templates")
    compiled.mkdir()
    importlib.import_module("templates").keep_in(compiled)

    def run():
        # The Python of Ansible's implicit localhost.
        sys.executable = os.environ.get("GREENLIGHT_LOCAL_PYTHON", sys.executable)
        # The folder with the packed modules stays: the next runs need it, and the process that forks removes it.
        atexit.unregister(cleanup_tmp_file)
        mains[Path(sys.argv[0]).name](sys.argv)

    return run


def prepare_modules():
    """Import all modules, and return what runs one."""
    sys.path.insert(0, str(COLLECTIONS))
    modules = {
        path.stem: importlib.import_module(f"ansible_collections.greenlight.release.plugins.modules.{path.stem}")
        for path in (CHECKOUT / "plugins" / "modules").glob("*.py")
    }

    def run():
        modules[sys.argv[0]].main()

    return run


def keep_packed(module, path):
    """Write a packed module, which two runs may do at the same time. Ansible's own way is for one run."""
    own = Path(f"{path}-{os.getpid()}")
    own.write_bytes(pickle.dumps(module))
    own.rename(path)


def prepare_molecule():
    """Do the same with the settings that Molecule writes to the ansible.cfg of a scenario."""
    import yaml

    settings = yaml.safe_load((CHECKOUT / ".config" / "molecule" / "config.yml").read_text(encoding="utf-8"))
    written = configparser.RawConfigParser()
    written.read_dict(settings["provisioner"]["config_options"])
    with Path(os.environ["ANSIBLE_CONFIG"]).open("w", encoding="utf-8") as file:
        written.write(file)
    return prepare_playbooks()


def prepare_interpreter():
    """Import what modules need, but no module, and return what runs the source that Python is given."""
    sys.path.append(str(COLLECTIONS))
    for name in ("basic", "urls", "_internal._ansiballz._loader"):
        importlib.import_module(f"ansible.module_utils.{name}")
    utils = importlib.import_module("ansible_collections.greenlight.release.plugins.module_utils")
    for util in pkgutil.walk_packages(utils.__path__, f"{utils.__name__}."):
        importlib.import_module(util.name)

    def run():
        # By this name it is found by who wants to kill a module.
        Path("/proc/self/comm").write_text("module", encoding="ascii")
        # Without a file, Python has an empty word in its place.
        sys.argv = sys.argv[1:] or [""]
        source = Path(sys.argv[0]).read_bytes() if sys.argv[0] else sys.stdin.buffer.read()
        program = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(source, sys.argv[0] or "<stdin>", "exec"), vars(program))

    return run


if __name__ == "__main__":
    prepare = globals()[f"prepare_{sys.argv[1]}"]
    serve(prepare(), sys.argv[2])
