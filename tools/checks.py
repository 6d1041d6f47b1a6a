# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that CI runs: the steps, run side by side, and one table at the end."""

from __future__ import annotations

import hashlib
import os
import queue
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from environment import CACHE, CHECKOUT, COLLECTIONS, VENV, Missing, run, variables

sys.path.append(str(CHECKOUT / "tests" / "support"))
from warm import Warm

RESULTS = CACHE / "results"
LINKED = COLLECTIONS / "ansible_collections" / "greenlight" / "release"
# What the integration tests need of the machine, as packages of Debian.
TEST_PACKAGES = {"sshd": "openssh-server", "ssh-keygen": "openssh-client", "git-lfs": "git-lfs"}
# What the containers need of it.
PACKAGES = {
    "podman": "podman",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
    "catatonit": "catatonit",
}


# Molecule calls them a dozen times for each scenario.
ANSIBLE = ("ansible", "ansible-config", "ansible-galaxy", "ansible-inventory", "ansible-playbook")

# Two scenarios may begin at once, and apt-get runs once at a time.
_providing = threading.Lock()
# The one process of which Ansible's programs are forks, for all scenarios.
_warm: list[Warm] = []

# Seconds of the processors that the step of a thread has used so far, without daemons and containers.
_spent = threading.local()


@dataclass(frozen=True)
class Step:
    name: str
    action: Callable[[Path], None]
    containers: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a step ended: what is wrong, empty when nothing is; how long it took, and of that on the processors."""

    problem: str
    seconds: float
    processor: float


class Failed(Exception):
    """A step found something wrong; what it printed is in its log."""


def command(*words: str | Path, where: Path = CHECKOUT, extra: dict[str, str] | None = None) -> Callable[[Path], None]:
    """Return an action that runs a command in the environment, its output going to the step's log."""

    def action(log: Path) -> None:
        with log.open("a") as output:
            process = subprocess.Popen(
                [str(word) for word in words],
                cwd=where,
                env={**variables(), **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        returncode = _wait(process)
        if returncode != 0:
            raise Failed(f"{Path(str(words[0])).name} ended with status {returncode}")

    return action


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process, and count what it and its children have used of the processors for this thread's step."""
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    _spent.seconds += used.ru_utime + used.ru_stime
    return process.returncode


def in_order(*actions: Callable[[Path], None]) -> Callable[[Path], None]:
    def action(log: Path) -> None:
        for each in actions:
            each(log)

    return action


def python(*words: str | Path, **options: object) -> Callable[[Path], None]:
    return command(VENV / "bin" / "python", *words, **options)  # type: ignore[arg-type]


def pytest(folder: str, *words: str) -> Callable[[Path], None]:
    return python("-m", "pytest", "-p", "no:cacheprovider", f"tests/{folder}", *words)


COVERAGE = (
    "--cov=ansible_collections.greenlight.release.plugins.module_utils",
    "--cov-branch",
    "--cov-report=term-missing",
    "--cov-fail-under=100",
)


def copy_tree(parent: Path) -> Path:
    """Copy what git knows or does not ignore to where ansible-test wants a collection, and return the folder."""
    target = parent / "ansible_collections" / "greenlight" / "release"
    shutil.rmtree(parent, ignore_errors=True)
    listed = run(["git", "-C", CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], "git")
    for name in filter(None, listed.split("\0")):
        source = CHECKOUT / name
        if source.exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    run(["git", "init", "--quiet", target], "git")
    return target


def sanity(log: Path) -> None:
    target = copy_tree(CACHE / "sanity")
    _provide_pip()
    command(VENV / "bin" / "ansible-test", "sanity", "--local", "--python", "3.11", "--color", "no", where=target)(log)


def _provide_pip() -> None:
    """Put a stand-in for get-pip.py, which runs the pip of PyPI, where ansible-test looks before it downloads one."""
    internal = next((VENV / "lib").glob("python3*/site-packages/ansible_test/_internal/python_requirements.py"))
    version = re.findall(r"pip='([0-9.]+)'", internal.read_text())[0]
    folder = CACHE / "pip"
    if not list(folder.glob(f"pip-{version}-*.whl")):
        pip = [
            VENV / "bin" / "python",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "-d",
            folder,
            f"pip=={version}",
        ]
        run(pip, "Cannot download pip for ansible-test")
    wheel = next(folder.glob(f"pip-{version}-*.whl"))
    cache = CACHE / "home" / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(wheel)!r})\n"
        "from pip._internal.cli.main import main\n"
        "args = [a for a in sys.argv[1:] if a not in ('--no-setuptools', '--no-wheel')]\n"
        "sys.exit(main(['install', '--upgrade', '--force-reinstall', *args]))\n"
    )


def package(log: Path) -> None:
    """Build the tarball, install it elsewhere, and use it by its full name from there."""
    source, built, installed = copy_tree(CACHE / "package"), CACHE / "built", CACHE / "installed"
    for folder in (built, installed):
        shutil.rmtree(folder, ignore_errors=True)
    galaxy = VENV / "bin" / "ansible-galaxy"
    command(galaxy, "collection", "build", "--output-path", built, where=source)(log)
    tarball = next(built.glob("greenlight-release-*.tar.gz"))
    missing = _missing_in(tarball)
    if missing:
        raise Failed(f"the tarball lacks {', '.join(missing)}; correct the manifest in galaxy.yml")
    command(galaxy, "collection", "install", "--offline", "--force", "-p", installed, tarball)(log)
    extra = {"ANSIBLE_COLLECTIONS_PATH": str(installed)}
    for path in sorted((CHECKOUT / "plugins" / "modules").glob("*.py")):
        command(VENV / "bin" / "ansible-doc", f"greenlight.release.{path.stem}", where=CACHE, extra=extra)(log)
    for path in sorted((CHECKOUT / "playbooks").glob("*.yml")):
        play = [VENV / "bin" / "ansible-playbook", "--syntax-check", f"greenlight.release.{path.stem}"]
        command(*play, where=CACHE, extra=extra)(log)


def _missing_in(tarball: Path) -> list[str]:
    """Return what git knows of the parts that an installed collection uses, and the tarball does not have."""
    listed = run(["git", "-C", CHECKOUT, "ls-files", "-z", "meta", "plugins", "roles", "playbooks", "examples"], "git")
    with tarfile.open(tarball) as packed:
        return sorted(set(filter(None, listed.split("\0"))) - set(packed.getnames()))


def find(program: str) -> str | None:
    """Return where a program is, also in the folders of the administrator, which a user's PATH may lack."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def provide_containers(log: Path) -> None:
    """Install what the containers need where root may, and else say what to install."""
    with _providing:
        _provide_containers(log)


def provide_test_programs(log: Path) -> None:
    """Install what the integration tests need where root may, and else say what to install."""
    with _providing:
        missing = _missing_packages(TEST_PACKAGES)
        if missing and os.geteuid() != 0:
            raise Missing(
                f"The integration tests need {' and '.join(missing)}; run: sudo apt-get install {' '.join(missing)}"
            )
        _install(missing, log)


def _missing_packages(packages: dict[str, str]) -> list[str]:
    return sorted({package for program, package in packages.items() if not find(program)})


def _provide_containers(log: Path) -> None:
    missing = _missing_packages(PACKAGES)
    if os.geteuid() != 0:
        install = f"sudo apt-get install {' '.join(missing)} && " if missing else ""
        raise Missing(f"The containers need root; run: {install}sudo ./greenlight test, or leave them out with --fast")
    _install(missing, log)


def _install(missing: list[str], log: Path) -> None:
    if not missing:
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    command("apt-get", "update", extra=quiet)(log)
    command("apt-get", "install", "-y", "--no-install-recommends", *missing, extra=quiet)(log)


def container_settings() -> dict[str, str]:
    """Return the environment for podman, with settings of its own only where the machine needs them.

    Debian's crun refuses a machine with control groups of both versions, and podman's default for open files is higher
    than what some machines allow.
    """
    settings = []
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 1048576:
        settings.append('[containers]\ndefault_ulimits = ["nofile=4096:8192", "nproc=4096:8192"]\n')
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        settings.append('[engine]\nruntime = "runc"\n')
    if not settings:
        return {}
    file = CACHE / "containers.conf"
    file.write_text("\n".join(settings))
    return {"CONTAINERS_CONF": str(file)}


def scratch_folder() -> Path:
    """Return a folder for what Molecule keeps; testinfra cannot hand ssh a key whose path has a space."""
    if " " not in str(CACHE):
        return CACHE / "molecule"
    name = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"greenlight-molecule-{os.geteuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise Missing(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own")
    return folder


def _forked_programs() -> Path:
    """Return a folder with Ansible's programs as forks of one process, which imports all of them once."""
    with _providing:
        if not _warm:
            _warm.append(Warm("molecule", python=VENV / "bin" / "python", **variables()))
        programs = [_warm[0].program(name) for name in ANSIBLE]
    return Path(programs[0]).parent


def molecule(scenario: str) -> Step:
    words = [VENV / "bin" / "molecule", "test", "--no-command-borders", "--scenario-name", scenario]

    def action(log: Path) -> None:
        provide_containers(log)
        extra = {"MOLECULE_GLOB": "molecule/*/molecule.yml", "PWD": str(LINKED), **container_settings()}
        extra["PATH"] = os.pathsep.join([str(_forked_programs()), variables()["PATH"]])
        # What an earlier run left there would make Molecule believe that its hosts are there; they are replaced.
        shutil.rmtree(scratch_folder() / scenario, ignore_errors=True)
        extra["MOLECULE_EPHEMERAL_DIRECTORY"] = str(scratch_folder() / scenario)
        command(*words, where=LINKED, extra=extra)(log)

    return Step(f"molecule-{scenario}", action, containers=True)


# Tests of two files at once: they wait for processes most of their time.
BESIDE = ("--numprocesses", "2", "--dist", "loadfile", "--durations", "20")
PLUGINS = "ansible_collections.greenlight.release.plugins"
# Quick ones first, then the longest, so that the last ones to end are short.
STEPS = (
    Step("ruff", in_order(python("-m", "ruff", "check", "."), python("-m", "ruff", "format", "--check", "."))),
    Step("yamllint", python("-m", "yamllint", "--strict", ".")),
    Step("mypy", python("-m", "mypy", "--config-file", CHECKOUT / "pyproject.toml", "-p", PLUGINS, where=COLLECTIONS)),
    molecule("crash"),
    Step(
        "integration",
        in_order(provide_test_programs, pytest("integration", "--ignore=tests/integration/playbooks", *BESIDE)),
    ),
    Step("playbooks", pytest("integration/playbooks", *BESIDE)),
    molecule("fleet"),
    Step("unit", pytest("unit", *COVERAGE)),
    molecule("matrix"),
    molecule("watch"),
    molecule("hooks"),
    Step("sanity", sanity),
    molecule("rollback"),
    molecule("reboot"),
    molecule("layouts"),
    molecule("default"),
    Step("ansible-lint", python("-m", "ansiblelint", "--offline", "--strict")),
    molecule("storage"),
    Step("package", package),
)
NAMES = [step.name for step in STEPS]
# One more than CI has processors: each step waits for hosts for a part of its time.
SIDE_BY_SIDE = 3


def run_all(only: list[str] | None, fast: bool) -> int:
    """Run the steps, print a table, and return 0 only when every one passed."""
    began = time.monotonic()
    RESULTS.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, Outcome] = {}
    waiting: queue.SimpleQueue[Step] = queue.SimpleQueue()
    for step in STEPS:
        if (not only or step.name in only) and not (fast and step.containers):
            waiting.put(step)
    threads = [threading.Thread(target=_run_steps, args=(waiting, outcomes)) for _each in range(SIDE_BY_SIDE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in _warm:
        each.stop()
    failed = [name for name in NAMES if name in outcomes and outcomes[name].problem]
    for name in failed:
        print(f"\n==== {name}: {outcomes[name].problem}\n{_log(name).read_text()}", flush=True)
    print(f"\n{'step':<20} result  {'seconds':>8}  {'processor':>9}")
    for name in [name for name in NAMES if name in outcomes]:
        ended = outcomes[name]
        result = "failed" if ended.problem else "passed"
        print(f"{name:<20} {result}  {ended.seconds:8.1f}  {ended.processor:9.1f}  {ended.problem}")
    processor = sum(ended.processor for ended in outcomes.values())
    took = f"{time.monotonic() - began:.0f} s, {processor:.0f} s of the processors without containers and daemons"
    print(f"{took}\n{len(outcomes) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed or not outcomes else 0


def _log(name: str) -> Path:
    return RESULTS / f"{name}.log"


def _run_steps(waiting: queue.SimpleQueue[Step], outcomes: dict[str, Outcome]) -> None:
    while True:
        try:
            step = waiting.get_nowait()
        except queue.Empty:
            return
        began, _spent.seconds = time.monotonic(), 0.0
        _log(step.name).write_text("")
        problem = ""
        try:
            step.action(_log(step.name))
        except (Failed, Missing, OSError, StopIteration) as error:
            problem = str(error) or type(error).__name__
        seconds = time.monotonic() - began
        outcomes[step.name] = Outcome(problem, seconds, _spent.seconds)
        print(f"{step.name}: {'failed, ' + problem if problem else 'passed'} ({seconds:.0f} s)", flush=True)


def diagnose() -> int:
    """Say what is missing, and what for."""
    needs = dict.fromkeys(PACKAGES, "the containers of ./greenlight test")
    needs.update(dict.fromkeys(TEST_PACKAGES, "the integration tests of ./greenlight test"))
    needs["git"] = "everything"
    missing = [program for program in needs if not find(program)]
    known = {**PACKAGES, **TEST_PACKAGES}
    for program in missing:
        print(f"{program} is missing, needed for {needs[program]}: apt-get install {known.get(program, program)}")
    if not missing:
        print("Nothing is missing.")
    return 1 if missing else 0
