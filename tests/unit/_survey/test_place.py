# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._survey import place
from ansible_collections.greenlight.release.plugins.module_utils._survey.look import SurveyError
from git_commands import commit, git
from git_repositories import Repositories
from pm2_fakes import instance


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout whose app lies in backend."""
    path = Repositories(tmp_path).path
    commit(path, {"backend/package.json": "{}", "backend/src/server.js": "", ".gitignore": "dist\n.next\ngenerated\n"})
    git(path, "checkout", "--quiet", "-B", "live")
    return path


@pytest.fixture
def make_run(tmp_path):
    environment = code_git.make_environment({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, {})
    return lambda folder: code_git.make_run(environment, 30, folder)


@pytest.fixture
def find(make_run):
    def find_place(script, cwd="/"):
        return place.find(make_run, instance(script=str(script), cwd=str(cwd)))

    return find_place


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_checkout_is_described_as_it_is(find, checkout):
    git(checkout, "config", "core.sshCommand", "ssh -i /k/id -F none")
    expected = {
        "path": str(checkout),
        "subfolder": "backend",
        "repository": git(checkout, "remote", "get-url", "origin"),
        "deploy_key": "/k/id",
        "branch": "live",
    }
    assert place.describe(find(checkout / "backend" / "src" / "server.js")) == expected
    git(checkout, "checkout", "--quiet", "--detach")
    assert place.describe(find(checkout / "backend" / "src" / "server.js")) == {**expected, "branch": ""}


def test_the_app_lies_where_its_package_is_and_not_where_a_build_has_put_one(find, checkout):
    built = write(checkout / "backend" / ".next" / "standalone" / "server.js")
    write(built.with_name("package.json"), "{}")
    assert find(built, checkout / "backend").subfolder == "backend"
    assert find("/nonexistent/npm", checkout / "backend").subfolder == "backend"
    assert find(write(checkout / "tools" / "job.js"), checkout).subfolder == ""


def test_a_program_that_lies_in_a_checkout_of_its_own_as_with_nvm_is_not_the_app(find, checkout, tmp_path):
    nvm = tmp_path / "nvm"
    git(tmp_path, "init", "--quiet", str(nvm))
    commit(nvm, {".gitignore": "versions\n", "nvm.sh": ""})
    npm = write(nvm / "versions" / "v24" / "bin" / "npm")
    assert find(npm, checkout / "backend").path == checkout
    # Started from a home folder that is a checkout too.
    assert find(checkout / "backend" / "src" / "server.js", nvm).path == checkout


def test_an_app_outside_of_any_checkout_is_refused(find):
    with pytest.raises(SurveyError, match="shop runs /bin/app, which lies in no git checkout"):
        find("/bin/app", "/nonexistent")


def test_a_process_has_one_checkout_or_none(make_run, checkout):
    scripts = [instance(script=path, cwd="/nonexistent") for path in (f"{checkout}/backend/x.js", "/bin/app")]
    assert [place.home(make_run, script) for script in scripts] == [str(checkout), ""]


def build(found, script, cwd, *commands):
    return place.build_of(found, instance(script=str(script), cwd=str(cwd)), commands)


def test_an_app_that_runs_what_git_ignores_is_built(find, checkout):
    backend = checkout / "backend"
    script, generated = write(backend / "dist" / "server.js"), write(backend / "generated" / "x.js")
    found = find(script, backend)
    paths = ["backend/dist", "backend/generated"]
    assert build(found, script, backend) == ([], ["backend/dist"], True)
    write(backend / "package.json", json.dumps({"scripts": {"build": "tsc"}}))
    assert build(found, script, backend, f"node {generated}") == (["npm", "run", "build"], paths, True)
    # Under npm only the command line says what runs, and that from the folder that it works in.
    npm = "/usr/bin/npm"
    assert build(found, npm, backend, "npm start", "node dist/server.js")[2] is True
    assert build(found, npm, backend, "npm start", "node src/server.js") == (
        ["npm", "run", "build"],
        ["backend/dist"],
        False,
    )


@pytest.mark.parametrize("package", ["{", "[]", '{"scripts": []}', '{"scripts": {"start": "node ."}}'])
def test_without_a_script_that_builds_there_is_no_command(find, checkout, package):
    script = write(checkout / "backend" / "dist" / "server.js")
    write(checkout / "backend" / "package.json", package)
    assert build(find(script), script, "/") == ([], ["backend/dist"], True)


@pytest.mark.parametrize("lock, words", [("pnpm-lock.yaml", ["pnpm", "build"]), ("bun.lock", ["bun", "run", "build"])])
def test_the_package_manager_of_the_lock_file_builds(find, checkout, lock, words):
    commit(checkout, {f"backend/{lock}": "", "backend/package.json": '{"scripts": {"build": "x"}}'})
    script = write(checkout / "backend" / "dist" / "server.js")
    assert build(find(script), script, "/")[0] == words


def test_an_app_that_is_not_built_has_no_command(find, checkout):
    write(checkout / "backend" / "package.json", '{"scripts": {"build": "x"}}')
    script = checkout / "backend" / "src" / "server.js"
    elsewhere = f"{sys.executable} /etc/passwd {checkout}/backend/node_modules/dist/x.js"
    assert build(find(script), script, "/", elsewhere) == ([], [], False)


def test_the_ecosystem_file_is_the_one_that_speaks_of_the_process(find, checkout):
    found = find(checkout / "backend" / "src" / "server.js")
    write(checkout / "backend" / "ecosystem.config.js", "name: 'shop'")
    assert place.ecosystem_of(found, "shop") == ""
    commit(checkout, {"backend/ecosystem.config.cjs": "name: 'other'", "ecosystem.config.js": "name: 'third'"})
    assert [place.ecosystem_of(found, name) for name in ("shop", "other", "third", "none")] == [
        *("backend/ecosystem.config.js", "backend/ecosystem.config.cjs"),
        *("ecosystem.config.js", ""),
    ]
