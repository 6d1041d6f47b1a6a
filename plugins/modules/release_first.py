#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_first
short_description: Put the code of the first release of an app in place
version_added: 0.1.0
description:
  - For an app that PM2 does not know yet, M(greenlight.release.git_revision) has fetched a commit, and with O(layout=releases)
    M(greenlight.release.release_tree) has staged it. This module puts it in place, and runs the commands that install, build and migrate.
  - They run with the variables of the ecosystem file, below them those of the C(.env) files of the app, and below them those of this module. What they
    say is kept in C(output/) of O(state_path), readable for its owner only, without what looks like a secret.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
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
  state:
    description:
      - V(present) puts the code in place. A process that PM2 knows already is refused.
      - V(absent) is for a first release that failed, whose process is gone. With O(layout=releases) C(current) leads nowhere then; a checkout stays.
    type: str
    choices: [present, absent]
    default: present
  layout:
    description: How the code is to lie on the host, see M(greenlight.release.release_tree).
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
    description: Full commit SHA.
    type: str
    required: true
  state_path:
    description: Folder of the app's release records.
    type: path
    required: true
  process_name:
    description: Name that the app's PM2 process is to have.
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
    description: The folder in the repository that the app lies in. Empty is the repository itself.
    type: str
    default: ""
  ecosystem:
    description: The ecosystem file in O(subfolder) that describes the app.
    type: str
    required: true
  ecosystem_env:
    description: The block of its variables, see O(greenlight.release.pm2_process#module:env_name).
    type: str
    default: ""
  build:
    description: Commands that install and build, one after another.
    type: list
    elements: dict
    default: []
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
  migrate:
    description: Commands that make the database, each a list of words, run in O(subfolder) when the code is in place.
    type: list
    elements: list
    default: []
  command_timeout:
    description: Seconds that one command may take. It is then killed, with all that it started.
    type: float
    default: 3600
  timeout:
    description: Seconds that PM2 or git may take to give one answer.
    type: float
    default: 60
seealso:
  - module: greenlight.release.release_switch
  - module: greenlight.release.pm2_process
"""

EXAMPLES = r"""
- name: Put the first revision in place
  greenlight.release.release_first:
    path: /srv/shop
    release_id: 20260219T020000Z-0639294c
    sha: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
    state_path: /var/lib/greenlight/shop
    process_name: shop
    ecosystem: ecosystem.config.js
    ecosystem_env: production
    build:
      - words: [npm, ci, --omit=dev]
"""

RETURN = r"""
config:
  description: The ecosystem file where M(greenlight.release.pm2_process) finds it.
  returned: success
  type: str
  sample: /srv/shop/ecosystem.config.js
"""

import os
from pathlib import Path
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout
from ansible_collections.greenlight.release.plugins.module_utils._host import commands, files
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import kept_output
from ansible_collections.greenlight.release.plugins.module_utils._switch import build, first
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

COMMAND = {"words": {"type": "list", "elements": "str", "required": True}, "folder": {"type": "str", "default": ""}}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "layout": {"type": "str", "choices": list(layout.KINDS), "default": "in_place"},
    **{name: {"type": "path", "required": True} for name in ("path", "state_path")},
    **{name: {"type": "str", "required": True} for name in ("release_id", "sha", "process_name", "ecosystem")},
    "pm2_home": {"type": "path"},
    "executable": {"type": "str", "default": "pm2"},
    **{name: {"type": "str", "default": ""} for name in ("subfolder", "ecosystem_env")},
    "build": {"type": "list", "elements": "dict", "default": [], "options": COMMAND},
    "migrate": {"type": "list", "elements": "list", "default": []},
    "command_timeout": {"type": "float", "default": 3600},
    "timeout": {"type": "float", "default": 60},
}


def wanted_of(params: Dict[str, Any]) -> first.First:
    move = layout.Move(params["layout"], Path(params["path"]), params["release_id"], params["sha"], params["sha"])
    repository = layout.repository_of(move.kind, move.app_path)
    commands.check(params["migrate"], "migrate")
    return first.First(
        git.make_run(git.make_environment(os.environ, {}), params["timeout"], str(repository)),
        move,
        params["process_name"],
        commands.inner_folder(params["subfolder"]),
        commands.inner_folder(params["ecosystem"]),
        params["ecosystem_env"],
        build.parse_commands(params["build"]),
        params["migrate"],
        params["command_timeout"],
        kept_output.file_of(Path(params["state_path"]), params["release_id"]),
    )


def act(module: AnsibleModule) -> bool:
    params = module.params
    wanted, home = wanted_of(params), pm2.home_of(params["pm2_home"], os.environ)
    host = pm2.make_host(home, "auto", params["executable"], params["timeout"], os.environ, pm2.Clock(), set())
    if params["state"] == "absent":
        return module.check_mode or first.take_away(wanted)
    first.refuse_known(pm2.read_state(host, wanted.app), wanted.app)
    for warning in [] if module.check_mode else first.put_in_place(wanted, host, os.environ):
        module.warn(warning)
    return True


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=act(module), config=str(wanted_of(module.params).place))
    except GreenlightError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The code cannot be put in place: {files.explain(error)}")


if __name__ == "__main__":
    main()
