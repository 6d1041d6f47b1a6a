#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: git_revision
short_description: Resolve, fetch and check out one exact revision
version_added: 0.1.0
description:
  - Moves an existing git checkout to an exact commit, in steps of which only the last touches the files.
  - Nothing that the checkout's own settings name is run, no hook and no monitor. No commit is ever made.
  - Credentials in the URL of the repository reach neither the output, nor the process list, nor the checkout.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
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
      - V(resolved) asks the repository for the full commit SHA of a branch, a tag or a SHA. It needs no checkout.
      - V(fetched) fetches the commit without switching to it, and compares it with the running one. Files, index, branches and HEAD stay as they are.
        It refuses a checkout with local changes, and a commit that would overwrite files that git does not track.
        Submodules are fetched too, from URLs of C(.gitmodules) that are relative to O(repository) or name another host. Submodules of
        submodules are refused, and so are changes in a submodule that nobody committed.
        Files that Git LFS keeps are fetched too, where C(git-lfs) is installed on this host, and are else refused by name.
        In check mode the commit is fetched to a temporary repository, so that the comparison is true although not even a ref of the checkout changes.
      - V(checked_out) checks out a commit that was fetched, detached. It refuses one with submodules, which M(greenlight.release.release_switch) moves.
      - V(read) only says which commit is in place.
    type: str
    choices: [resolved, fetched, checked_out, read]
    required: true
  repository:
    description: URL of the repository. Needed by O(state=resolved) and O(state=fetched).
    type: str
  revision:
    description: Branch, tag or full commit SHA. Needed by O(state=resolved).
    type: str
  path:
    description: The checkout, or with O(layout=releases) the folder of the app. Needed by all states but V(resolved).
    type: path
  layout:
    description:
      - How the code lies on the host. V(in_place) is a git checkout in O(path).
      - V(releases) is a bare repository C(repository) in O(path), which O(state=fetched) creates, and release folders of which the link C(current)
        leads to the one that runs. Its commit is what the new one is compared with. O(state=checked_out) is for V(in_place) only.
    type: str
    choices: [in_place, releases]
    default: in_place
  sha:
    description: Full commit SHA. Needed by O(state=fetched) and O(state=checked_out).
    type: str
  first:
    description: With O(state=fetched), the app was never released. A checkout that is not there is made, and all files of the commit count as changed.
    type: bool
    default: false
  recover:
    description: Complete a checkout that was killed half-way between O(from_sha) and O(sha). Files that differ between the two are reset.
    type: bool
    default: false
  from_sha:
    description: The other commit of the checkout that was killed. Needed by O(recover).
    type: str
  deploy_key:
    description:
      - File on this host with the private key that ssh uses, and no other one. Others must not be able to read it.
      - The host of the repository must be known to ssh. By default ssh takes its own keys and its agent, or what E(GIT_SSH_COMMAND) says.
    type: path
  local_changes:
    description:
      - Whether O(state=fetched) refuses a checkout with local changes. V(keep) does not, since the switch of the release puts them aside.
      - What the last twenty releases put aside is kept, and what is older is removed by O(state=fetched).
    type: str
    choices: [refuse, keep]
    default: refuse
  processes:
    description:
      - Processes of the app as M(greenlight.release.pm2_process_info) returns them, so that O(state=fetched) knows which revision they run.
      - What is in place may have been moved without a restart of them. A process runs what was in place when it began, by git's reflog, or by what PM2
        found at its start where git does not know. By default they are taken to run what is in place.
    type: list
    elements: dict
  unrestarted:
    description: Pairs of revisions between which the app had not to be restarted, see RV(greenlight.release.release_record_info#module:unrestarted).
    type: list
    elements: list
    default: []
  timeout:
    description: Seconds that one git command may take.
    type: float
    default: 120
"""

EXAMPLES = r"""
- name: Resolve the branch on the controller
  greenlight.release.git_revision:
    state: resolved
    repository: https://git.example.com/shop.git
    revision: main
  delegate_to: localhost
  run_once: true
  register: shop_target

- name: Fetch it while the old revision serves
  greenlight.release.git_revision:
    state: fetched
    path: /srv/shop
    repository: https://git.example.com/shop.git
    sha: "{{ shop_target.sha }}"

- name: Check it out
  greenlight.release.git_revision:
    state: checked_out
    path: /srv/shop
    sha: "{{ shop_target.sha }}"
"""

RETURN = r"""
sha:
  description: Full SHA of the commit, with O(state=read) of the one that is in place.
  returned: success
  type: str
  sample: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
head:
  description: SHA that is in place, before the module did anything. Empty where nothing was released yet, with O(layout=releases).
  returned: when the state is fetched, checked_out or read
  type: str
  sample: 5f0c1c2a7d3f4b6e8a9b0c1d2e3f405162738495
from_revision:
  description:
    - The revision with which O(sha) is compared, and to which a rollback returns. That is RV(head), and where this is O(sha) already what O(processes) run
      instead. Empty where nothing was released yet.
  returned: when the state is fetched
  type: str
  sample: 5f0c1c2a7d3f4b6e8a9b0c1d2e3f405162738495
runs_already:
  description: Whether O(sha) is in place, and all O(processes) run it. Without a process that runs it is not.
  returned: when the state is fetched
  type: bool
  sample: false
branch:
  description: Branch that is checked out, empty when HEAD is detached, and with O(layout=releases).
  returned: when the state is fetched
  type: str
  sample: main
lock_files:
  description: Lock files of package managers that O(sha) has, without those beside packages that are a part of it.
  returned: when the state is fetched
  type: list
  elements: str
  sample: [backend/package-lock.json]
changed_paths:
  description: Paths that differ between the two commits, also those in submodules, or all where nothing was released yet.
  returned: when the state is fetched
  type: list
  elements: str
  sample: [server.js, package-lock.json]
commits:
  description: SHA and subject of the new commits, at most fifty.
  returned: when the state is fetched
  type: list
  elements: dict
  sample: [{"sha": "0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d", "subject": "Answer from the cache"}]
commit_count:
  description: Number of the new commits.
  returned: when the state is fetched
  type: int
  sample: 1
forced:
  description: Whether the commit does not follow the one that is checked out, since history was rewritten or it is older.
  returned: when the state is fetched
  type: bool
  sample: false
"""

import os
import tempfile
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenlight.release.plugins.module_utils._code import checkout, git, layout, running
from ansible_collections.greenlight.release.plugins.module_utils._code import fetch as code_fetch
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_sha

ARGUMENTS = {
    "state": {"type": "str", "choices": ["resolved", "fetched", "checked_out", "read"], "required": True},
    **{name: {"type": "str", "no_log": False} for name in ("repository", "revision", "sha", "from_sha")},
    "path": {"type": "path"},
    "layout": {"type": "str", "choices": list(layout.KINDS), "default": "in_place"},
    **{name: {"type": "bool", "default": False} for name in ("first", "recover")},
    "deploy_key": {"type": "path", "no_log": False},
    "local_changes": {"type": "str", "choices": ["refuse", "keep"], "default": "refuse"},
    "processes": {"type": "list", "elements": "dict"},
    "unrestarted": {"type": "list", "elements": "list", "default": []},
    "timeout": {"type": "float", "default": 120},
}


def check_sha(name: str, value: Optional[str]) -> None:
    if value is not None and not is_sha(value):
        raise git.GitError(f"{name} must be a full commit SHA in lower case, not {value!r}")


def fetch(params: Mapping[str, Any], environment: Mapping[str, str], check_mode: bool) -> Dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="greenlight-") as folder:
        place = code_fetch.Place(
            params["layout"],
            Path(params["path"]),
            lambda where: git.make_run(environment, params["timeout"], str(where)),
            Path(folder) / "rehearsal" if check_mode else None,
            params["local_changes"] == "keep",
            running.read(params["processes"]),
            params["unrestarted"],
            first=params["first"],
        )
        return code_fetch.fetch(place, params["repository"], params["sha"])


def act(params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    check_sha("sha", params["sha"])
    check_sha("from_sha", params["from_sha"])
    settings = git.split_credentials(params["repository"])[1] if params["repository"] else {}
    environment = git.make_environment(os.environ, settings, params["deploy_key"])
    run = git.make_run(environment, params["timeout"], params["path"] or ".")
    if params["state"] == "resolved":
        return {"changed": False, "sha": git.resolve(run, params["repository"], git.check_revision(params["revision"]))}
    if params["state"] == "fetched":
        return fetch(params, environment, check_mode)
    if params["state"] == "read":
        head = layout.head(run, params["layout"], Path(params["path"]))
        return {"changed": False, "sha": head, "head": head}
    if params["layout"] == "releases":
        raise git.GitError("state checked_out is for the layout in_place; releases are staged by release_tree instead")
    recover_from = params["from_sha"] if params["recover"] else None
    done = checkout.bring_to(run, Path(params["path"]), params["sha"], recover_from, check_mode)
    return {**done, "warnings": done.pop("notes")}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[
            ("state", "resolved", ("repository", "revision")),
            ("state", "fetched", ("path", "repository", "sha")),
            ("state", "checked_out", ("path", "sha")),
            ("state", "read", ("path",)),
            ("recover", True, ("from_sha",)),
        ],
    )
    module.no_log_values.update(git.secrets_in(module.params["repository"] or ""))
    try:
        result = act(module.params, module.check_mode)
    except git.GitError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The revision cannot be handled: {files.explain(error)}")
    if module._diff and "head" in result and module.params["state"] == "checked_out":
        result["diff"] = {"before": f"{result['head']}\n", "after": f"{result['sha']}\n"}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
