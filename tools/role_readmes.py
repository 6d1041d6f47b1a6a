# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README of each role, written from its argument_specs, in the environment that ``./greenlight test`` makes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import METRICS

CHECKOUT = Path(__file__).resolve().parent.parent
ROLES = ("deploy", "rollback", "verify")
_LONGEST = 60
_METRICS = """
## Metrics

What a row of the decision matrix can judge, besides the measurements of `greenlight_probes`:

| metric | unit | over several hosts | read from |
|---|---|---|---|
{rows}
"""
# Variables of the role verify without which few apps can be released.
NEEDED_BY_MOST = ("greenlight_health_url",)
# Values of the examples; every required variable has one.
_EXAMPLES = {
    "greenlight_app_name": "shop",
    "greenlight_app_path": "/srv/shop",
    "greenlight_health_url": "http://127.0.0.1:3000/health",
    "greenlight_repository": "https://git.example.com/shop.git",
    "greenlight_revision": "main",
}
_TEMPLATE = """\
<!-- Written by tools/role_readmes.py from meta/argument_specs.yml. -->

# greenlight.release.{role}

{short}.

{description}

## Example

The playbook `greenlight.release.{role}` uses this role. In a playbook of your own:

```yaml
- name: {short}
  hosts: shop
  gather_facts: false
  become: true
  become_user: shop # PM2, git and the files are this user's
  roles:
    - role: greenlight.release.{role}
  vars:
{example}
```

A variable that is missing, misspelt or of the wrong type is refused in one sentence, before anything is touched.

## Required variables

| variable | type | what it is |
|---|---|---|
{required}

## Optional variables

| variable | type | default | what it is |
|---|---|---|---|
{optional}
{metrics}
All of it, in full: `ansible-doc -t role greenlight.release.{role}`
"""


def main_entry(role: str) -> dict[str, Any]:
    """Return the documented entry point main of a role."""
    text = (CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    entry: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]
    return entry


def render(role: str) -> str:
    """Return the README of a role."""
    entry = main_entry(role)
    options: dict[str, Any] = entry["options"]
    required = {name: option for name, option in options.items() if option.get("required")}
    optional = {name: option for name, option in options.items() if name not in required}
    return _TEMPLATE.format(
        role=role,
        short=entry["short_description"],
        description="\n".join(plain(sentence) for sentence in entry["description"]),
        example="\n".join(f"    {name}: {_EXAMPLES[name]}" for name in (*required, *NEEDED_BY_MOST)),
        required="\n".join(f"| `{name}` | {kind(option)} | {about(option)} |" for name, option in required.items()),
        metrics=metrics() if role == "verify" else "",
        optional="\n".join(
            f"| `{name}` | {kind(option)} | {default(option)} | {about(option)} |" for name, option in optional.items()
        ),
    )


def metrics() -> str:
    """Return the table of the registry of metrics."""
    rows = (f"| `{each.name}` | {each.unit} | {each.pooled} | {each.source} |" for each in METRICS)
    return _METRICS.format(rows="\n".join(rows))


def plain(text: str) -> str:
    """Return a text of Ansible's documentation as Markdown."""
    text = re.sub(r"P\(([\w.]+)#\w+\)", r"`\1`", text)
    text = re.sub(r"O\(([\w.]+)#module:(\w+)\)", r"`\2` of `\1`", text)
    return re.sub(r"\b[VCOEM]\((.*?)\)", r"`\1`", text)


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def kind(option: dict[str, Any]) -> str:
    if "choices" in option:
        return " or ".join(f"`{choice}`" for choice in option["choices"])
    named: str = option["type"]
    return f"{named} of {option['elements']}" if "elements" in option else named


def default(option: dict[str, Any]) -> str:
    """Return a default as it is written in YAML, but not the long ones."""
    value = option["default"]
    text = value if isinstance(value, str) and value else json.dumps(value)
    return f"`{cell(text)}`" if len(text) <= _LONGEST else "see `ansible-doc`"


def about(option: dict[str, Any]) -> str:
    """Return the first entry of a description; the others are details."""
    return cell(plain(option["description"][0]))


def write() -> None:
    """Write the README of each role."""
    for role in ROLES:
        (CHECKOUT / "roles" / role / "README.md").write_text(render(role), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
