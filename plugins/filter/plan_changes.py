# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: plan_changes
short_description: List the commands and restarts that the changed paths of a release need
version_added: 0.1.0
description:
  - Compares the changed paths with rules, and says which commands run while the old revision serves, which at the switch, and what is restarted.
  - When every changed path is covered by a rule that has C(restart), only the processes named there are restarted. Otherwise the app is, too.
  - The app is also restarted where a migration runs, since it must not run during one, and where no path is known to have changed.
  - In a pattern C(*) matches any text, slashes too, C(?) for one character and C([ab]) for one of them. Case matters.
  - The same command of two rules runs once.
author:
  - The greenlight.release maintainers (@greenlight)
positional: rules, app, layout, built_paths, rehearse_migration
options:
  _input:
    description: The changed paths, as M(greenlight.release.git_revision) returns them.
    type: list
    elements: str
    required: true
  rules:
    description: The rules. A wrong one is refused by its index, counted from 0, and its key.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the rule is called in reports. Each rule needs another name.
        type: str
        required: true
      paths:
        description: Patterns of paths.
        type: list
        elements: str
        required: true
      run:
        description: A command and its arguments, run in the new tree while the old revision serves.
        type: list
        elements: str
        default: []
      migrate:
        description: A command and its arguments, run at the switch while the app is stopped.
        type: list
        elements: str
        default: []
      restart:
        description: Names of PM2 processes to restart, none for an empty list. Without it the rule says nothing of restarts.
        type: list
        elements: str
  app:
    description: Name of the app's own PM2 process.
    type: str
    required: true
  layout:
    description: How the app lies on the host, V(in_place) or V(releases).
    type: str
    default: in_place
  built_paths:
    description: Paths that are no part of the repository, and that the new tree gets from the old one.
    type: list
    elements: str
    default: []
  trial:
    description: Whether the new revision is tried in a new tree, see the role P(greenlight.release.deploy#role).
    type: bool
    default: false
  rehearse_migration:
    description: Whether a migration is tried first in a new tree, V(auto), V(always) or V(never), see the role P(greenlight.release.deploy#role).
    type: str
    default: never
  tree:
    description:
      - What is known of the new tree. C(app_path) is the folder of the app, C(subfolder) the folder in the repository that commands run in, and
        C(lock_files) are those of the revision. C(processes) are those of the app, each with C(script) and C(cwd), which show the folder of the app
        where C(subfolder) is empty.
    type: dict
    default: {}
  install_command:
    description:
      - The command and arguments that install what the app depends on.
      - V([auto]) stands for the frozen install of the package manager whose lock file lies in the folder of the app, or in the nearest one above it.
    type: list
    elements: str
    default: []
  install_when_changed:
    description: Patterns of the paths after whose change it runs.
    type: list
    elements: str
    default: []
  build_command:
    description: The command and arguments that build the app.
    type: list
    elements: str
    default: []
  build_when_changed:
    description: Patterns of the paths after whose change it runs.
    type: list
    elements: str
    default: []
  migrate_command:
    description: A command and arguments that migrate the database at every release.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what a release would do
  ansible.builtin.debug:
    msg: >-
      {{ shop_fetched.changed_paths | greenlight.release.plan_changes(rules, 'shop',
      install_command=['npm', 'ci'], install_when_changed=['package-lock.json']) }}
  vars:
    rules:
      - name: pages
        paths: [web/*]
        run: [npm, run, build]
        restart: []
      - name: streaming
        paths: [mediamtx/*]
        restart: [mediamtx]
"""

RETURN = r"""
_value:
  description:
    - The commands to C(run) aside and to C(migrate) with, each with its arguments, whether to C(restart_app), which other processes to C(restart)
      after it, and the C(reasons), which are the paths that asked for each.
    - Whether the new tree is C(staged), that is built while the old one runs.
    - The same commands as C(build), each with its C(words) and its C(folder). The C(built_paths) with those of the folders in which packages are installed,
      and those of them that are C(built_anew).
    - The C(warnings), such as a changed lock file that nothing installs.
  type: dict
  sample:
    run: [[npm, run, build]]
    migrate: []
    restart_app: false
    restart: []
    reasons:
      rules: {pages: [web/index.html]}
      restart_app: every changed path is covered by a rule that does not restart the app
    staged: true
    build: [{words: [npm, run, build], folder: ""}]
    built_paths: [node_modules]
    built_anew: []
    warnings: []
"""

from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.greenlight.release.plugins.module_utils._release import build_plan, changes, plan


def plan_changes(
    changed_paths: Sequence[str],
    rules: Sequence[Mapping[str, Any]],
    app: str,
    layout: str = "in_place",
    built_paths: Sequence[str] = (),
    rehearse_migration: str = "never",
    tree: Mapping[str, Any] = MappingProxyType({}),
    trial: Any = False,
    **settings: Any,
) -> Dict[str, Any]:
    try:
        known = build_plan.tree_of(tree, changed_paths)
        planned = build_plan.plan_changes(changed_paths, rules, app, known, built_paths, **settings)
    except (changes.ChangesError, TypeError) as error:
        raise AnsibleFilterError(f"plan_changes: {error}") from error
    tries = boolean(trial, strict=False)
    staged = tries or plan.needs_stage(layout, planned["run"], planned["migrate"], rehearse_migration)
    return {**planned, "staged": staged}


class FilterModule:
    """Filter that says what changed paths need."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"plan_changes": plan_changes}
