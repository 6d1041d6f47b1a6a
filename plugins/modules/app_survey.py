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
  - Finds the checkout and its remote, what builds it, its ecosystem file, the ports, the SQLite databases that are open, the logs that the app
    writes itself and the style of their lines, and the addresses of health and cache statistics that answer.
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
  given:
    description: Variables that a person gave, by their names. They go before what is seen, and empty ones say nothing.
    type: dict
    default: {}
  typed:
    description: What a person typed when asked, as M(ansible.builtin.pause) returns it in a loop over names of variables.
    type: list
    elements: dict
    default: []
  health_headers:
    description: Headers with which the app is asked how it is. They are not written down.
    type: dict
    default: {}
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
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._survey import survey, variables
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

ARGUMENTS: Dict[str, Any] = {
    "name": {"type": "str", "default": ""},
    "pm2_home": {"type": "path"},
    "executable": {"type": "str", "default": "pm2"},
    "state_path": {"type": "path"},
    "given": {"type": "dict", "default": {}},
    "typed": {"type": "list", "elements": "dict", "default": []},
    "health_headers": {"type": "dict", "default": {}, "no_log": True},
    "timeout": {"type": "float", "default": 30},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        found = survey.survey(module.params, os.environ, Path.home())
    except (GreenlightError, OSError) as error:
        module.fail_json(msg=files.told(error))
    module.exit_json(name=found.app.name, content=variables.render(found), missing=variables.missing(found))


if __name__ == "__main__":
    main()
