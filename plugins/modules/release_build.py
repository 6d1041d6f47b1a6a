#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_build
short_description: Install and build in the tree of a new revision as the app would
version_added: 0.1.0
description:
  - Runs commands in a tree that M(greenlight.release.release_tree) has staged, while the old revision serves.
  - They run with the variables of the app. Those are the ones that PM2 starts it with, below them those of its C(.env) files, and below them those of
    this module. Its Node is the first on C(PATH).
  - C(GREENLIGHT_REVISION) is the new revision, and git in the tree knows it as C(HEAD). C(CI) is V(true), so that no command asks a question.
  - The C(.env) files of a checkout are there as links while the commands run. The tree lies in C(.greenlight) of the checkout meanwhile, since some
    programs pass over whatever has C(.git) in its path.
  - Everything that they say is kept in C(output/) of O(state_path), readable for its owner only, without what looks like a secret.
  - A Node of the commands that is not the one of the app is a warning.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
  - greenlight.release.heartbeat
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: N/A
  platform:
    platforms: linux
  action_group: {}
options:
  layout:
    description: How the code lies on the host, see M(greenlight.release.release_tree).
    type: str
    choices: [in_place, releases]
    default: in_place
  path:
    description: Folder of the app.
    type: path
    required: true
  release_id:
    description: Id of the release, such as V(20260219T020000Z-0639294c).
    type: str
    required: true
  sha:
    description: Full commit SHA that was staged.
    type: str
    required: true
  state_path:
    description: Folder of the app's release records.
    type: path
    required: true
  process_name:
    description: Name of the app's PM2 process.
    type: str
    required: true
  pm2_home:
    description: Home of the PM2 daemon.
    type: path
  executable:
    description: The C(pm2) program, a name on PATH or an absolute path.
    type: str
    default: pm2
  subfolder:
    description: The folder in the repository that the app lies in, in which it may have a C(.env) file. Empty is the repository itself.
    type: str
    default: ""
  commands:
    description: What to run, one after another. The first that fails ends it.
    type: list
    elements: dict
    required: true
    suboptions:
      words:
        description: A program and its arguments.
        type: list
        elements: str
        required: true
      folder:
        description: Folder in the repository to run it in. Empty is the repository itself.
        type: str
        default: ""
  command_timeout:
    description: Seconds that one command may take. It is then killed, with all that it started.
    type: float
    default: 3600
  timeout:
    description: Seconds that PM2 or git may take to give one answer.
    type: float
    default: 60
seealso:
  - module: greenlight.release.release_tree
"""

EXAMPLES = r"""
- name: Install in the tree that was staged
  greenlight.release.release_build:
    path: /srv/shop
    release_id: 20260219T020000Z-0639294c
    sha: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
    state_path: /var/lib/greenlight/shop
    process_name: shop
    commands:
      - words: [npm, ci, --omit=dev]
        folder: backend
"""

RETURN = r"""
output:
  description: The file that keeps what the commands said.
  returned: success
  type: str
  sample: /var/lib/greenlight/shop/output/20260219T020000Z-0639294c.log
"""

import os
from pathlib import Path
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout
from ansible_collections.greenlight.release.plugins.module_utils._host import commands, files
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat, kept_output
from ansible_collections.greenlight.release.plugins.module_utils._switch import build
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

ARGUMENTS = {
    "layout": {"type": "str", "choices": list(layout.KINDS), "default": "in_place"},
    "path": {"type": "path", "required": True},
    "release_id": {"type": "str", "required": True},
    "sha": {"type": "str", "required": True},
    "state_path": {"type": "path", "required": True},
    "process_name": {"type": "str", "required": True},
    "pm2_home": {"type": "path"},
    "executable": {"type": "str", "default": "pm2"},
    "subfolder": {"type": "str", "default": ""},
    "commands": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "words": {"type": "list", "elements": "str", "required": True},
            "folder": {"type": "str", "default": ""},
        },
    },
    "command_timeout": {"type": "float", "default": 3600},
    "timeout": {"type": "float", "default": 60},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def wanted_of(params: Dict[str, Any], check_mode: bool) -> build.Build:
    move = layout.Move(params["layout"], Path(params["path"]), params["release_id"], params["sha"], params["sha"])
    repository = layout.repository_of(move.kind, move.app_path)
    run = git.make_run(git.make_environment(os.environ, {}), params["timeout"], str(repository))
    return build.Build(
        run,
        move,
        layout.stage_path(run, move),
        params["process_name"],
        commands.inner_folder(params["subfolder"]),
        build.parse_commands(params["commands"]),
        params["command_timeout"],
        kept_output.file_of(Path(params["state_path"]), params["release_id"]),
        heartbeat.read(params["heartbeat"], check_mode),
    )


def run_commands(params: Dict[str, Any], wanted: build.Build) -> List[str]:
    clock = pm2.Clock()
    home = pm2.home_of(params["pm2_home"], os.environ)
    host = pm2.make_host(home, "auto", params["executable"], params["timeout"], os.environ, clock, set())
    state = pm2.read_state(host, wanted.app)
    return build.build(wanted, state, os.environ)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        wanted = wanted_of(module.params, module.check_mode)
        warnings = [] if module.check_mode else run_commands(module.params, wanted)
    except GreenlightError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The commands cannot run: {files.explain(error)}")
    for warning in warnings:
        module.warn(warning)
    module.exit_json(changed=bool(module.params["commands"]), output=str(wanted.log))


if __name__ == "__main__":
    main()
