#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: app_survey
short_description: Look at an app that PM2 runs, and write the variables to release it with
version_added: 0.1.0
description:
  - Finds the checkout and its remote, the ports, the SQLite databases that are open, and the addresses of health and cache statistics that answer.
  - Nothing is changed. Only the app itself is asked, over its own port, with GET.
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
    support: full
  platform:
    platforms: linux
  action_group: {}
options:
  name:
    description: Name of the PM2 process. Without it the only process is meant that serves a port.
    type: str
    default: ""
  pm2_home:
    description: Home of the PM2 daemon. By default E(PM2_HOME), else C(~/.pm2).
    type: path
  executable:
    description: The C(pm2) program, a name on PATH or an absolute path.
    type: str
    default: pm2
  state_path:
    description: Folder for the release records, where the default of the roles does not suit.
    type: path
  timeout:
    description: Seconds that PM2 or git may take to give one answer.
    type: float
    default: 30
"""

EXAMPLES = r"""
- name: Look at the app
  greenlight.release.app_survey:
  register: shop_survey
"""

RETURN = r"""
name:
  description: The process that was looked at.
  returned: success
  type: str
  sample: shop
content:
  description: The variables as YAML with comments.
  returned: success
  type: str
  sample: "greenlight_app_name: \"shop\"\n"
missing:
  description: Variables that a release needs and that could not be seen.
  returned: success
  type: list
  elements: str
  sample: [greenlight_database_path]
"""

import os
from pathlib import Path
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._code import git
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._survey import look, variables
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

ARGUMENTS = {
    "name": {"type": "str", "default": ""},
    "pm2_home": {"type": "path"},
    "executable": {"type": "str", "default": "pm2"},
    "state_path": {"type": "path"},
    "timeout": {"type": "float", "default": 30},
}


def survey(params: Dict[str, Any]) -> variables.Found:
    timeout, clock = params["timeout"], pm2.Clock()
    home = pm2.home_of(params["pm2_home"], os.environ)
    host = pm2.make_host(home, "auto", params["executable"], timeout, os.environ, clock, set())
    instances = look.choose(pm2.read_all(host), params["name"])
    environment = git.make_environment(os.environ, {})
    ports = look.ports_of(instances)
    base = f"http://127.0.0.1:{ports[0] if ports else 0}"
    usual = Path("/var/lib/greenlight") / instances[0].name
    state_path = params["state_path"] or look.state_path_of(usual, Path.home())
    given = {"greenlight_pm2_home": params["pm2_home"], "greenlight_state_path": state_path}
    given["greenlight_pm2_executable"] = params["executable"] if params["executable"] != "pm2" else None
    return variables.Found(
        instances[0].name,
        look.checkout_of(lambda folder: git.make_run(environment, timeout, str(folder)), instances[0]),
        ports,
        look.databases_of(instances),
        look.health_of(base, look.ask),
        look.cache_stats_of(base, look.ask),
        {name: str(value) for name, value in given.items() if value},
    )


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = survey(module.params)
    except (GreenlightError, OSError) as error:
        module.fail_json(msg=files.told(error))
    module.exit_json(name=found.name, content=variables.render(found), missing=variables.missing(found))


if __name__ == "__main__":
    main()
