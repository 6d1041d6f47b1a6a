# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import ecosystem
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import MissingModuleError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program


@pytest.mark.parametrize("before", ["", "noise\n", "greenlight\n[\n", "\u2028"])
def test_the_apps_are_found_behind_whatever_the_file_prints(before):
    seen = {"apps": [{"name": "shop"}, "x"], "deploy": {"A": 1}}
    output = f"{before}\ngreenlight-ecosystem: {json.dumps(seen)}\n"
    assert ecosystem.parse_apps(output) == ([{"name": "shop"}], {"A": 1})


def test_a_file_that_ends_node_is_reported():
    with pytest.raises(PM2Error, match="ended Node before it was read"):
        ecosystem.parse_apps("noise\n")


@pytest.mark.parametrize("is_missing", [True, False])
def test_what_the_file_could_not_do_is_told(is_missing):
    output = f"greenlight-ecosystem: {json.dumps({'problem': 'Error: no dotenv', 'isMissing': is_missing})}\n"
    with pytest.raises(PM2Error, match="Error: no dotenv") as told:
        ecosystem.parse_apps(output)
    assert isinstance(told.value, MissingModuleError) is is_missing


@pytest.mark.parametrize(
    "apps, described",
    [
        ([{"name": "other"}, {"script": "b.js"}], "describes other, b, so 'shop' is not one app"),
        ([{"name": "shop"}, {"name": "shop"}], "describes shop, shop, so 'shop' is not one app"),
        ([], "describes nothing"),
    ],
)
def test_an_app_that_is_not_exactly_one_is_refused(apps, described):
    with pytest.raises(PM2Error, match=described):
        ecosystem.pick_app(apps, "shop")


@pytest.mark.parametrize("app", [{"name": "shop"}, {"script": "./src/shop.js"}])
def test_an_app_is_found_by_its_name_or_its_script(app):
    assert ecosystem.pick_app([{"name": "x"}, app], "shop") == app


def test_the_name_of_the_block_may_be_part_of_the_name():
    app = {"name": "shop", "append_env_to_name": True}
    assert ecosystem.pick_app([app], "shop-production", "production") == app
    assert ecosystem.pick_app([app], "shop") == app


def program(tmp_path, text):
    """Return a program that stands in for node and pm2."""
    file = tmp_path / "program"
    file.write_text(f"#!{sys.executable}\nimport os, sys\n{text}")
    file.chmod(0o755)
    return Program(str(file), {"PATH": os.defpath}, 20)


def test_an_entry_is_read_with_node_in_the_folder_of_the_file(tmp_path):
    config = tmp_path / "app.json"
    config.touch()
    text = "import json\napp = {'name': 'shop', 'cwd': os.getcwd(), 'a': os.environ['A']}\n"
    text += "print('greenlight-ecosystem:', json.dumps({'apps': [app]}))"
    node = ecosystem.with_variables(program(tmp_path, text), {"A": "1"})
    read = ecosystem.read_apps(node, node.executable, config, ["shop"])
    assert read == {"shop": {"name": "shop", "cwd": str(tmp_path), "a": "1"}}


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    config = tmp_path / "app.json"
    with pytest.raises(PM2Error, match=r"app\.json does not exist; correct config"):
        ecosystem.read_apps(program(tmp_path, ""), "node", config, ["shop"])
    config.touch()
    node = program(tmp_path, "print('SyntaxError: x'); sys.exit(1)")
    with pytest.raises(PM2Error, match=r"app\.json cannot be used: .*SyntaxError: x"):
        ecosystem.read_apps(node, node.executable, config, ["shop"])


def test_a_text_elsewhere_is_read_as_if_it_were_in_a_folder_that_is_not_there_yet(tmp_path):
    (tmp_path / "text").write_text("")
    text = "import json\napp = {'name': 'shop', 'env': {'A': 1}, 'env_x': {'A': 2}}\n"
    text += "app.update(given=sys.argv[4:], cwd=os.getcwd())\n"
    node = program(tmp_path, text + "print('greenlight-ecosystem:', json.dumps({'apps': [app]}))")
    file = tmp_path / "new" / "sub" / "ecosystem.config.js"
    read = ecosystem.read_apps(node, node.executable, file, ["shop", "worker"], "x", tmp_path / "text")["shop"]
    assert read["given"] == [str(file), node.executable, str(tmp_path / "text"), "x"]
    assert (read["cwd"], read["env"]) == (str(tmp_path), {"A": 2})


def test_of_other_apps_those_are_read_that_the_file_has(tmp_path):
    config = tmp_path / "app.json"
    config.touch()
    apps = [{"name": "shop"}, {"name": "worker"}, {"name": "other"}]
    node = program(tmp_path, f"print('greenlight-ecosystem:', {json.dumps(json.dumps({'apps': apps}))})")
    assert list(ecosystem.read_apps(node, node.executable, config, ["shop", "worker", "gone"])) == ["shop", "worker"]


def test_an_app_is_started_from_a_file_that_nobody_else_can_read(tmp_path):
    seen = tmp_path / "seen"
    pm2 = program(
        tmp_path,
        "path = sys.argv[2]\n"
        "reported = [oct(os.stat(path).st_mode & 0o777), open(path).read(), os.getcwd(), path]\n"
        f"open({str(seen)!r}, 'w').write('|'.join(reported))",
    )
    ecosystem.start(pm2, "secret", tmp_path)
    mode, text, folder, path = seen.read_text().split("|")
    assert (mode, text, folder, Path(path).exists()) == ("0o600", "secret", str(tmp_path), False)
