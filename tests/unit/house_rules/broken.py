# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For each rule files that break it, and what it says of them."""

from __future__ import annotations

import yaml

from . import imports, papers, python, roles

UTILS = "plugins/module_utils"
PREFIX = "ansible_collections.greenlight.release.plugins.module_utils"


def function(lines=1, parameters="", name="act"):
    return f"def {name}({parameters}) -> None:\n" + "    act()\n" * (lines - 1)


def role(name, defaults, options):
    return {
        f"roles/{name}/defaults/main.yml": yaml.safe_dump(defaults),
        f"roles/{name}/meta/argument_specs.yml": yaml.safe_dump({"argument_specs": {"main": {"options": options}}}),
    }


DOCUMENTED = {"default": 1, "description": "A number."}
ROLES_WITHOUT_VARIABLES = {**role("rollback", {}, {}), **role("verify", {}, {})}
PAPERS = {
    "galaxy.yml": "version: 1.2.0",
    "meta/runtime.yml": "requires_ansible: '>=2.16.0'\naction_groups: {release: [health_check]}",
    "tests/config.yml": "modules: {python_requires: '>=3.8'}",
    "CHANGELOG.rst": "v1.2.0\n======\n",
    "README.md": "Needs ansible-core 2.16 and Python 3.8. The roles are `deploy`, `rollback` and `verify`.",
}

LAYERS_SHOWN = "\n".join(
    f"| {number} | `{name}` |" for number, names in enumerate(imports.LAYERS[:-1], 1) for name in names
)

JUDGED = [
    "server_starts",
    "critical_errors",
    "new_errors",
    "error_rate",
    "cache_hit_rate",
    "pool_exhausted",
    "response_time",
    "new_warnings",
    "cache_hit_rate_trend",
]

BROKEN = [
    (
        imports.arrows,
        {f"{UTILS}/_values/table.py": f"from {PREFIX}._host import files"},
        ["plugins/module_utils/_values/table.py: _values must not import _host"],
    ),
    (
        imports.arrows,
        {f"{UTILS}/_decision/row.py": f"import {PREFIX}._host.files"},
        ["plugins/module_utils/_decision/row.py: _decision must not import _host"],
    ),
    (
        imports.arrows,
        {f"{UTILS}/_sqlite/backup.py": "def act():\n    from .._release.store import read_record"},
        ["plugins/module_utils/_sqlite/backup.py: _sqlite must not import _release"],
    ),
    (
        imports.arrows,
        {f"{UTILS}/_release/store.py": "from .. import _switch"},
        ["plugins/module_utils/_release/store.py: _release must not import _switch"],
    ),
    (
        imports.arrows,
        {f"{UTILS}/_measure/reading.py": f"from {PREFIX}._host import proc"},
        ["plugins/module_utils/_measure/reading.py: _measure must not import _host"],
    ),
    (
        imports.arrows,
        {f"{UTILS}/_switch/steps.py": "from ...modules import release_switch"},
        ["plugins/module_utils/_switch/steps.py: _switch must not import modules"],
    ),
    (
        imports.arrows,
        {"plugins/modules/health_check.py": f"from {PREFIX} import _common"},
        ["plugins/modules/health_check.py: modules imports _common, and one of them has no place in LAYERS"],
    ),
    (
        imports.packages,
        {f"{UTILS}/_host.py": "", f"{UTILS}/_common/__init__.py": "", f"{UTILS}/_pm2/rpc.py": ""},
        [
            "plugins/module_utils/_host.py: put it into a package",
            "plugins/module_utils/_common: add it to LAYERS",
            "plugins/module_utils/_pm2: add an __init__.py, or Ansible does not ship it",
        ],
    ),
    (
        imports.private_files,
        {
            f"{UTILS}/_pm2/api.py": f"from {PREFIX}._pm2 import rpc",
            "plugins/modules/pm2_process.py": f"from {PREFIX}._pm2 import api, rpc\n"
            "from ..module_utils._pm2.rpc import Client",
            "plugins/modules/log_assert.py": f"from {PREFIX}._pm2.rpc import PM2Error\nfrom {PREFIX}._logs import scan",
            f"{UTILS}/_logs/scan.py": "from .._pm2.process import Instance\nfrom .. import _pm2",
        },
        [
            "plugins/module_utils/_logs/scan.py: import api of _pm2 instead of process.Instance",
            "plugins/module_utils/_logs/scan.py: import api of _pm2 instead of all of it",
            "plugins/modules/pm2_process.py: import api of _pm2 instead of rpc",
            "plugins/modules/pm2_process.py: import api of _pm2 instead of rpc.Client",
        ],
    ),
    (
        imports.shipped,
        {
            "plugins/modules/sqlite_backup.py": f"from {PREFIX}._release import store",
            "plugins/modules/new_module.py": f"from {PREFIX}._values import table",
            f"{UTILS}/_release/store.py": f"from {PREFIX}._pm2.rpc import owner_of",
            f"{UTILS}/_pm2/rpc.py": "",
            f"{UTILS}/_values/table.py": "",
        },
        [
            "plugins/modules/sqlite_backup.py: it ships _pm2; import less, or add it to SHIPPED",
            "plugins/modules/new_module.py: it ships _values; import less, or add it to SHIPPED",
        ],
    ),
    (
        imports.circles,
        {
            f"{UTILS}/_logs/match.py": "from . import rules, scan",
            f"{UTILS}/_logs/rules.py": f"def act():\n    from {PREFIX}._logs.match import Match",
            f"{UTILS}/_logs/scan.py": "",
            f"{UTILS}/_logs/check.py": "from . import match",
        },
        [
            "plugins/module_utils/_logs/match.py: it imports itself by way of others",
            "plugins/module_utils/_logs/rules.py: it imports itself by way of others",
        ],
    ),
    (
        imports.foreign_imports,
        {
            f"{UTILS}/_health/client.py": "import os.path\ntry:\n    import requests\nexcept ImportError:\n    pass",
            f"{UTILS}/_host/files.py": "from ansible.module_utils.basic import AnsibleModule\nfrom . import proc",
            "plugins/modules/health_check.py": "from ansible.module_utils.basic import AnsibleModule",
        },
        [
            "plugins/module_utils/_health/client.py: utils must not import requests",
            "plugins/module_utils/_host/files.py: utils must not import ansible.module_utils.basic.AnsibleModule",
        ],
    ),
    (
        python.function_sizes,
        {
            "plugins/filter/decide.py": function(36) + function(37, name="refuse"),
            f"{UTILS}/_pm2/plan.py": 'def plan():\n    """Say\n' + "more\n" * 60 + '"""\n    # Why.\n    return 1',
            f"{UTILS}/_pm2/api.py": function(1, "a, b, c, d, e, f, g, h, i").replace("\n", " ...\n")
            + "def refuse(a, b, c, /, d, e, f, *more, g, h, **rest): ...",
        },
        [
            "plugins/filter/decide.py: refuse has 37 lines of code, more than 36",
            "plugins/module_utils/_pm2/api.py: refuse has 10 parameters, more than 9",
        ],
    ),
    (
        python.file_sizes,
        {
            f"{UTILS}/_pm2/config.py": "a = 1\n" * 250 + "# Why.\n\n",
            f"{UTILS}/_pm2/rpc.py": "a = '''\n" + "b\n" * 249 + "'''\n",
            "plugins/modules/health_check.py": 'DOCUMENTATION = r"""\n' + "a: b\n" * 90 + '"""\n' + "a = 1\n" * 80,
            "plugins/modules/log_assert.py": "a = 1\n" * 81,
        },
        [
            "plugins/module_utils/_pm2/rpc.py: it has 251 lines of code, more than 250",
            "plugins/modules/log_assert.py: it has 81 lines of code, more than 80",
        ],
    ),
    (
        python.types,
        {
            f"{UTILS}/_pm2/rpc.py": "class Client:\n    def call(self, name: str, *words) -> str: ...",
            "plugins/filter/decide.py": "def decide(rows, age: int = 0):\n    def inner(): ...",
        },
        [
            "plugins/filter/decide.py: give rows of decide a type",
            "plugins/filter/decide.py: say what decide returns",
            "plugins/filter/decide.py: say what inner returns",
            "plugins/module_utils/_pm2/rpc.py: give words of call a type",
        ],
    ),
    (
        python.unit_tests,
        {
            f"{UTILS}/_pm2/rpc.py": "",
            f"{UTILS}/_pm2/plan.py": "",
            "tests/unit/_pm2/test_plan.py": "",
            "tests/unit/_pm2/test_plan_refused.py": "",
            "tests/unit/_pm2/test_planned.py": "",
            "tests/unit/_logs/test_rpc.py": "",
        },
        [
            "plugins/module_utils/_pm2/rpc.py: write tests/unit/_pm2/test_rpc.py",
            "tests/unit/_logs/test_rpc.py: no util is called _logs/rpc",
            "tests/unit/_pm2/test_planned.py: no util is called _pm2/planned",
        ],
    ),
    (
        python.system_errors,
        {
            "plugins/modules/a.py": "def main():\n    try:\n        pass\n    except OSError:\n        raise\n",
            "plugins/modules/b.py": "def main():\n    api.explained(work)\n",
            "plugins/modules/c.py": "def main():\n    work()\n",
        },
        ["plugins/modules/c.py: catch OSError in main, and tell it by files.told"],
    ),
    (
        python.class_names,
        {
            f"{UTILS}/_logs/check.py": "class Reading: ...\nclass Scan: ...",
            f"{UTILS}/_measure/reading.py": "def read():\n    class Reading: ...",
            "plugins/modules/log_assert.py": "class Scan: ...",
        },
        [
            "plugins/module_utils/_measure/reading.py: the class Reading has the name of one in "
            "plugins/module_utils/_logs/check.py"
        ],
    ),
    (
        roles.directions,
        {
            "roles/verify/tasks/main.yml": "- ansible.builtin.include_role:\n    name: greenlight.release.rollback\n",
            "roles/rollback/tasks/main.yml": "- ansible.builtin.include_role:\n    name: greenlight.release.verify\n",
        },
        ["roles/verify/tasks/main.yml: verify must not use rollback"],
    ),
    (
        roles.documented_defaults,
        {
            **ROLES_WITHOUT_VARIABLES,
            **role(
                "deploy",
                {"greenlight_a": 2, "greenlight_b": 1, "greenlight_c": 1},
                {"greenlight_a": DOCUMENTED, "greenlight_b": DOCUMENTED, "greenlight_d": DOCUMENTED},
            ),
        },
        [
            "roles/deploy: the default of greenlight_a and its documentation differ",
            "roles/deploy: the default of greenlight_c and its documentation differ",
            "roles/deploy: the default of greenlight_d and its documentation differ",
        ],
    ),
    (
        roles.documented_defaults,
        {
            **role("deploy", {"greenlight_a": 1}, {"greenlight_a": DOCUMENTED}),
            **role("rollback", {"greenlight_a": 1}, {"greenlight_a": DOCUMENTED}),
            **role("verify", {}, {"greenlight_b": {"description": "A number."}, "greenlight_c": {"required": True}}),
        },
        [
            "roles/rollback: greenlight_a is a default of deploy already",
            "roles/verify: greenlight_b needs a default, or must be required",
            "roles/verify: greenlight_c has no description",
        ],
    ),
    (
        roles.variables_kept_and_given,
        {
            "roles/deploy/tasks/main.yml": "- block:\n    - command: ls\n      register: greenlight_a\n",
            "roles/verify/tasks/main.yml": "- ansible.builtin.set_fact: {greenlight_b: 1, greenlight_c: 2}\n",
            "roles/verify/vars/main.yml": "greenlight_b: 2\n",
            "playbooks/deploy.yml": "- hosts: all\n  tasks:\n    - command: ls\n      vars: {greenlight_a: 1}\n",
            "playbooks/tasks/next.yml": "- ansible.builtin.include_tasks: next.yml\n  vars: {greenlight_c: 1}\n",
        },
        [
            "roles/deploy/tasks/main.yml: greenlight_a is kept for the rest of the run here, "
            "given in playbooks/deploy.yml",
            "roles/verify/tasks/main.yml: greenlight_b is kept for the rest of the run here, "
            "given in roles/verify/vars/main.yml",
        ],
    ),
    (
        roles.variables_set_nowhere,
        {
            "roles/verify/tasks/set.yml": "- register: __greenlight_set\n- debug: {msg: '{{ __greenlight_gone }}'}",
            "roles/verify/vars/main.yml": "__greenlight_given: '{{ __greenlight_set }}'",
            "playbooks/verify.yml": "- vars: {__greenlight_flow: '{{ __greenlight_given }}'}",
        },
        ["roles/verify/tasks/set.yml: __greenlight_gone is set nowhere"],
    ),
    (
        roles.long_expressions,
        {
            "roles/verify/vars/main.yml": "a: '{{ b | c | d | e }} {{ b | c }}'\n"
            "f: [{g: \"{{ b | c('|') | d | e | f }}\"}]",
            "roles/deploy/tasks/main.yml": "- when: [a, b | c | d | e | f]\n- name: a | b | c | d | e",
            "roles/deploy/templates/unit.j2": "{% for a in b | c | d | e | f %}{{ a }}{% endfor %}",
            "playbooks/tasks/next.yml": '- loop: "{{ a | b + (c | d) + (e | f) + (g | h) }}"',
        },
        [
            "playbooks/tasks/next.yml: 4 pipes in a | b + (c | d) + (e | f) + (g | h)",
            "roles/deploy/tasks/main.yml: 4 pipes in b | c | d | e | f",
            "roles/verify/vars/main.yml: 4 pipes in b | c('|') | d | e | f",
            "roles/deploy/templates/unit.j2: 4 pipes in for a in b | c | d | e | f",
        ],
    ),
    (
        roles.sizes_of_variables,
        {
            "roles/verify/vars/main.yml": "a: 1\n" * 31,
            "roles/deploy/vars/main.yml": "a: 1\n" * 40,
            "roles/rollback/vars/main.yml": "a: 1\n" * 21,
        },
        [
            "roles/verify/vars: 31 lines in verify, more than 30",
            "roles/deploy/vars: 61 lines in deploy and rollback, more than 60",
        ],
    ),
    (
        papers.metrics,
        {
            "roles/verify/defaults/main.yml": yaml.safe_dump(
                {
                    "greenlight_decision_matrix": [{"metric": name} for name in JUDGED],
                    "greenlight_first_hour_rows": [{"metric": "cache_hits"}],
                    "greenlight_watch_rows": [],
                }
            )
        },
        [
            "roles/verify/defaults/main.yml: the registry does not know cache_hits",
            "roles/verify/defaults/main.yml: no row judges restarts",
        ],
    ),
    (
        papers.readme,
        {**PAPERS, "plugins/modules/health_check.py": "", "playbooks/status.yml": "", "README.md": "`deploy` `verify`"},
        [
            "README.md: it does not name health_check",
            "README.md: it does not name rollback",
            "README.md: it does not name status",
        ],
    ),
    (
        papers.trusted,
        {
            "docs/trust.md": "| a place |\nand its test\n\n| what | test |\n|---|---|\n| a | `test_a` |\n"
            "| b | `test_b` |\n| c | |\n",
            "tests/unit/test_x.py": "def test_a():\n    pass\n",
        },
        ["docs/trust.md: no test is called test_b", "docs/trust.md: no test is called a row without a test"],
    ),
    (
        papers.layers,
        {"CONTRIBUTING.md": LAYERS_SHOWN.replace("| 1 | `_values` |", "| 2 | `_values` |")},
        ["CONTRIBUTING.md: _values is not in layer 2", "CONTRIBUTING.md: add _values to layer 1"],
    ),
    (
        papers.action_group,
        {**PAPERS, "plugins/modules/log_assert.py": ""},
        [
            "meta/runtime.yml: the action group lacks log_assert",
            "meta/runtime.yml: no module is called health_check",
        ],
    ),
    (papers.sanity, {"tests/sanity/ignore-2.19.txt": ""}, ["tests/sanity/ignore-2.19.txt: remove it"]),
    (
        papers.versions,
        {**PAPERS, "galaxy.yml": "version: 1.3.0", "tests/config.yml": "modules: {python_requires: '>=3.9'}"},
        ["CHANGELOG.rst: it does not name v1.3.0", "README.md: it does not name Python 3.9"],
    ),
    (
        papers.versions,
        {**PAPERS, "meta/runtime.yml": "requires_ansible: '>=2.17.0'"},
        ["README.md: it does not name 2.17"],
    ),
]
