# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values import lock_files


@pytest.mark.parametrize(
    "path, found",
    [
        ("package-lock.json", True),
        ("backend/bun.lockb", True),
        ("backend/package.json", False),
        ("node_modules/x/package-lock.json", False),
        ("", False),
    ],
)
def test_lock_files_are_known_by_their_names(path, found):
    assert lock_files.is_lock(path) is found


def test_packages_that_are_a_part_of_the_revision_are_not_installed():
    paths = ["a/yarn.lock", "a/node_modules/x/i.js", "package-lock.json", "b/bun.lock", "a/x.js"]
    assert lock_files.installable(paths) == ["package-lock.json", "b/bun.lock"]
    assert lock_files.installable(["package-lock.json", "node_modules/x/i.js"]) == []


@pytest.mark.parametrize(
    "locks, folder, lock",
    [
        (["package-lock.json"], "", "package-lock.json"),
        (["package-lock.json"], "backend/dist", "package-lock.json"),
        (["backend/yarn.lock", "package-lock.json"], "backend/dist", "backend/yarn.lock"),
        (["backend/yarn.lock"], "", None),
        (["frontend/yarn.lock"], "backend", None),
        (["yarn.lock", "package-lock.json"], "", "package-lock.json"),
        ([], "", None),
    ],
)
def test_the_lock_file_of_the_app_is_the_nearest_one_above_it(locks, folder, lock):
    assert lock_files.nearest(locks, folder) == lock


@pytest.mark.parametrize("path, folder", [("yarn.lock", ""), ("a/b/yarn.lock", "a/b"), ("", "")])
def test_a_lock_file_is_installed_in_its_folder(path, folder):
    assert lock_files.folder_of(path) == folder


@pytest.mark.parametrize(
    "lock, builds, words",
    [
        ("package-lock.json", False, "npm ci --omit=dev --no-audit --no-fund"),
        ("a/npm-shrinkwrap.json", True, "npm ci --include=dev --no-audit --no-fund"),
        ("pnpm-lock.yaml", False, "pnpm install --frozen-lockfile --prod"),
        ("pnpm-lock.yaml", True, "pnpm install --frozen-lockfile --prod=false"),
        ("yarn.lock", False, "yarn install --frozen-lockfile"),
        ("yarn.lock", True, "env NODE_ENV=development yarn install --frozen-lockfile"),
        ("bun.lock", False, "bun install --frozen-lockfile --production"),
        ("bun.lockb", True, "bun install --frozen-lockfile"),
    ],
)
def test_the_lock_file_says_how_it_is_installed(lock, builds, words):
    assert lock_files.install_words(lock, builds) == words.split()
    assert lock_files.installs_here(words.split())


@pytest.mark.parametrize(
    "words, here",
    [
        ("npm install", True),
        ("yarn", True),
        ("npm run build", False),
        ("npm --prefix backend ci", False),
        ("npm ci --prefix=backend", False),
        ("make deps", False),
        ("", False),
    ],
)
def test_an_own_command_may_install_as_well(words, here):
    assert lock_files.installs_here(words.split()) is here


def test_a_changed_lock_file_that_nothing_installs_is_named():
    found = lock_files.not_installed(["a/yarn.lock", "package-lock.json", "items.js"], ["package-lock.json"])
    assert [text.split(",")[0] for text in found] == ["a/yarn.lock changed"]


@pytest.mark.parametrize(
    "script, cwd, folder",
    [
        ("/srv/app/backend/server.js", "/srv/app", "backend"),
        ("/srv/app/server.js", "/srv/app", ""),
        ("/srv/app/current/backend/dist/server.js", "/", "backend/dist"),
        ("/srv/app/releases/r1/backend/server.js", "/", "backend"),
        ("/usr/bin/npm", "/srv/app/backend", "backend"),
        ("/usr/bin/npm", "/home/me", ""),
    ],
)
def test_the_folder_of_the_app_is_seen_in_its_process(script, cwd, folder):
    assert lock_files.folder_of_process("/srv/app", script, cwd) == folder
