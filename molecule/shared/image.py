# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the image of the test hosts once, and print its tag, a hash of its recipe.

The base comes from GREENLIGHT_BASE_IMAGE where that names an image of a registry, and else from Debian's packages. Node
and PM2 are those of the checkout's own environment, so that hosts and controller test the same versions.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CACHE = CHECKOUT / ".cache"
CONTEXT = CACHE / "image"
SAMPLE, UNITS = CHECKOUT / "examples" / "sample-app", Path(__file__).with_name("units")
COMPILED = CHECKOUT / "tests" / "support" / "compiled"
PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,python3-requests,git,sqlite3,procps,sudo,openssh-server,curl,ca-certificates,"
    "libatomic1,haproxy,socat"
)
# Hosts of all scenarios are one image; haproxy is started only where a scenario wants it.
BASE = f"localhost/greenlight-base:bookworm-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:12]}"


def run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with status {done.returncode}:\n{done.stdout[-4000:]}")


def exists(image: str) -> bool:
    return subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0


def recipe_hash(base: str) -> str:
    digest = hashlib.sha256(f"{base} {PACKAGES}".encode())
    for path in (Path(__file__), Path(__file__).with_name("Containerfile"), CHECKOUT / "tools/node/package-lock.json"):
        digest.update(path.read_bytes())
    digest.update((CHECKOUT / "requirements" / "demo.txt").read_bytes())
    for path in sorted(each for folder in (SAMPLE, UNITS, COMPILED) for each in folder.rglob("*") if each.is_file()):
        digest.update(f"{path.relative_to(CHECKOUT)} {path.stat().st_mode:o}".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def build_base() -> None:
    archive = CACHE / "base.tar"
    archive.unlink(missing_ok=True)
    run("mmdebstrap", "--quiet", "--variant=apt", f"--include={PACKAGES}", "bookworm", archive)
    run("podman", "import", archive, BASE)
    archive.unlink()


def build(base: str, tag: str) -> None:
    if base == BASE and not exists(BASE):
        build_base()
    shutil.rmtree(CONTEXT, ignore_errors=True)
    CONTEXT.mkdir(parents=True)
    shutil.copy2((CACHE / "bin" / "node").resolve(), CONTEXT / "node")
    shutil.copytree(CACHE / "node" / "node_modules", CONTEXT / "node_modules", symlinks=True)
    shutil.copytree(SAMPLE, CONTEXT / "sample-app")
    shutil.copytree(UNITS, CONTEXT / "units")
    shutil.copytree(COMPILED, CONTEXT / "compiled")
    containerfile = Path(__file__).with_name("Containerfile")
    run("podman", "build", "--build-arg", f"BASE={base}", "--tag", tag, "--file", containerfile, CONTEXT)
    shutil.rmtree(CONTEXT)


def main() -> None:
    base = os.environ.get("GREENLIGHT_BASE_IMAGE", BASE)
    tag = f"localhost/greenlight-host:{recipe_hash(base)}"
    # Two scenarios may begin at the same time.
    with (CACHE / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not exists(tag):
            build(base, tag)
    print(tag)


if __name__ == "__main__":
    main()
