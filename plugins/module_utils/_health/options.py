# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a probe, as Ansible checks those of health_check."""

from __future__ import annotations

from typing import Any, Dict

PROBE: Dict[str, Dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "name": {"type": "str"},
    "socket": {"type": "path"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "body": {"type": "raw", "no_log": True},
    "follow_redirects": {"type": "bool", "default": False},
    "timeout": {"type": "float"},
    "max_latency": {"type": "float"},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "expect_json": {"type": "list", "elements": "dict", "default": []},
    "expect_headers": {"type": "list", "elements": "dict", "default": []},
    "rule": {"type": "dict"},
    "expect_body": {"type": "str"},
    "expect_text": {"type": "list", "elements": "str", "default": []},
    "pids": {"type": "list", "elements": "int", "default": []},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "samples": {"type": "int", "default": 0},
    "concurrency": {"type": "int", "default": 1},
    "warmup": {"type": "int", "default": 0},
    "response_time": {"type": "bool", "default": False},
    "measurements": {"type": "dict", "default": {}},
    "required": {"type": "bool"},
}
