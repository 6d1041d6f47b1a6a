#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_tree
short_description: Build the tree of a revision while the old one runs, and remove old trees
version_added: 0.1.0
description:
  - Exports the files of a commit that was fetched, and those of its submodules, so that commands can install and build in it while the old revision serves.
  - What is not rebuilt is carried over from the running tree, by shared blocks where the filesystem can do that. Shared paths are linked.
  - The running tree, its index, its branches and its commit stay as they are, and a full disk costs only the new tree.
  - Run it as the user who owns the app's folder. Files are readable to everyone who may read that folder, and writable to their owner.
  - No hook is run. Filters that the repository's own settings name are, since a checkout would have them too. Git LFS needs no settings.
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
    support: full
  idempotent:
    support: full
  platform:
    platforms: linux
  action_group: {}
options:
  state:
    description:
      - V(staged) makes the tree of O(sha). It refuses too little free space, links where folders are needed, and a database that the new tree would not see.
      - V(pruned) removes what older releases left, so that O(keep) remain. Whatever can still be needed is kept beyond that number. This is what
        runs, what a process works in, the last good release, and what an open, a watched or the newest release record names.
    type: str
    choices: [staged, pruned]
    required: true
  layout:
    description:
      - How the code lies on the host. V(in_place) is a git checkout in O(path). Its stage lies in the git directory, below C(greenlight).
      - V(releases) is a bare repository C(repository), a folder C(releases) with a folder a release, C(shared), and the link C(current), in O(path).
    type: str
    choices: [in_place, releases]
    default: in_place
  path:
    description: Folder of the app.
    type: path
    required: true
  release_id:
    description: Id of the release, such as V(20260219T020000Z-0639294c). Needed by O(state=staged).
    type: str
  sha:
    description: Full commit SHA. Needed by O(state=staged).
    type: str
  built_paths:
    description: Paths in the tree that commands make and git ignores.
    type: list
    elements: str
    default: [node_modules]
  built_anew:
    description: Those of O(built_paths) that the commands of this release make from nothing. They are not carried over.
    type: list
    elements: str
    default: []
  shared_paths:
    description:
      - Paths in the tree that every release links to C(shared) in O(path), where they must exist. Only with O(layout=releases).
      - A folder that holds nothing but a file such as C(.gitkeep) in the revision is replaced by the link.
    type: list
    elements: str
    default: []
  databases:
    description: The app's databases. One is refused where the next release would begin with an empty one.
    type: list
    elements: path
    default: []
  keep:
    description: Number of releases to keep.
    type: int
    default: 5
  state_path:
    description: Folder of the app's release records. Needed by O(state=pruned).
    type: path
  timeout:
    description: Seconds that one git command may take.
    type: float
    default: 120
seealso:
  - module: greenlight.release.git_revision
  - module: greenlight.release.release_record
"""

EXAMPLES = r"""
- name: Make the tree ready while the old revision serves
  greenlight.release.release_tree:
    state: staged
    path: /srv/shop
    release_id: 20260219T020000Z-0639294c
    sha: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
    built_anew: [node_modules]
    databases: [/srv/shop/data/shop.db]
  register: shop_tree

- name: Install in it
  ansible.builtin.command:
    argv: [npm, ci, --omit=dev]
    chdir: "{{ shop_tree.path }}"
  changed_when: true

- name: Keep the last three releases
  greenlight.release.release_tree:
    state: pruned
    layout: releases
    path: /srv/shop
    state_path: /var/lib/greenlight/shop
    keep: 3
"""

RETURN = r"""
path:
  description: The tree.
  returned: when the state is staged
  type: str
  sample: /srv/shop/.git/greenlight/20260219T020000Z-0639294c/new
carried_over:
  description: Built paths that were copied from the running tree.
  returned: when the state is staged
  type: list
  elements: str
  sample: [node_modules]
linked:
  description: Shared paths that lead to C(shared).
  returned: when the state is staged
  type: list
  elements: str
  sample: [data]
files:
  description:
    - Number of files and folders in the tree, as far as they were exported or carried over.
    - In check mode those of a commit that is not fetched yet are not known and not counted, here and in RV(bytes).
  returned: when the state is staged
  type: int
  sample: 2314
bytes:
  description: Bytes that they need on the disk.
  returned: when the state is staged
  type: int
  sample: 31293440
kept:
  description: Ids of the releases that are kept.
  returned: when the state is pruned
  type: list
  elements: str
  sample: [20260219T020000Z-0639294c]
removed:
  description: Ids of the releases that were removed.
  returned: when the state is pruned
  type: list
  elements: str
  sample: [20260101T020000Z-5f0c1c2a]
swept:
  description: Names of folders that a killed run left behind and that were removed.
  returned: when the state is pruned
  type: list
  elements: str
  sample: [.20260102T020000Z-77aa0b1c.partial]
"""

import os
import tempfile
from pathlib import Path
from typing import Any, Dict, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout, stage_plan
from ansible_collections.greenlight.release.plugins.module_utils._code import prune as code_prune
from ansible_collections.greenlight.release.plugins.module_utils._code import stage as code_stage
from ansible_collections.greenlight.release.plugins.module_utils._host import files, proc
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat, store
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record

ARGUMENTS = {
    "state": {"type": "str", "choices": ["staged", "pruned"], "required": True},
    "layout": {"type": "str", "choices": list(layout.KINDS), "default": "in_place"},
    "path": {"type": "path", "required": True},
    "release_id": {"type": "str"},
    "sha": {"type": "str"},
    "built_paths": {"type": "list", "elements": "str", "default": ["node_modules"]},
    "built_anew": {"type": "list", "elements": "str", "default": []},
    "shared_paths": {"type": "list", "elements": "str", "default": []},
    "databases": {"type": "list", "elements": "path", "default": []},
    "keep": {"type": "int", "default": 5},
    "state_path": {"type": "path"},
    "timeout": {"type": "float", "default": 120},
    "heartbeat": {"type": "dict", "options": heartbeat.OPTIONS},
}


def make_run(params: Mapping[str, Any], **more: str) -> git.Run:
    environment = {**git.make_environment(os.environ, {}), **more}
    return git.make_run(
        environment, params["timeout"], str(layout.repository_of(params["layout"], Path(params["path"])))
    )


def make_wanted(params: Mapping[str, Any]) -> stage_plan.Wanted:
    if params["shared_paths"] and params["layout"] == "in_place":
        raise git.GitError(
            "shared_paths are for the layout releases; in a checkout nothing is replaced, so leave them out"
        )
    built, shared = tuple(params["built_paths"]), tuple(params["shared_paths"])
    move = layout.Move(
        params["layout"], Path(params["path"]), params["release_id"], params["sha"], params["sha"], built, shared
    )
    return stage_plan.Wanted(move, tuple(params["built_anew"]), tuple(map(Path, params["databases"])))


def stage(params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    wanted, run = make_wanted(params), make_run(params)
    planned = stage_plan.plan(run, wanted, may_lack_commit=check_mode)
    if not planned.done and not check_mode:
        with tempfile.TemporaryDirectory(prefix="greenlight-") as folder:
            code_stage.stage(make_run(params, GIT_INDEX_FILE=f"{folder}/index"), wanted.move, planned)
    return stage_plan.describe(planned, params["sha"])


def prune(params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    path, run = Path(params["path"]), make_run(params)
    records = store.read_records(Path(params["state_path"]))
    if params["layout"] == "releases":
        planned = code_prune.plan_releases(path, records, params["keep"], proc.PROC)
        if not check_mode:
            code_prune.remove_releases(path, planned["removed"], planned["swept"])
    else:
        planned = code_prune.plan_in_place(run, path, records, params["keep"])
        if not check_mode:
            code_prune.remove_in_place(run, path, planned["removed"])
    return code_prune.describe(planned)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", "staged", ("release_id", "sha")), ("state", "pruned", ("state_path",))],
    )
    try:
        with heartbeat.holding(heartbeat.read(module.params["heartbeat"], module.check_mode)):
            result = {"staged": stage, "pruned": prune}[module.params["state"]](module.params, module.check_mode)
    except (git.GitError, release_record.RecordError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The trees of {module.params['path']} cannot be changed: {files.explain(error)}")
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
