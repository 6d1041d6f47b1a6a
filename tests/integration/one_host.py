# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, run by the real ansible-playbook for the sample app on this machine."""

from __future__ import annotations

import json

from machine import interpreter, play


class Site:
    """An inventory of one host, and the playbooks that are run for it."""

    def __init__(self, folder, app, pm2, repository, **more):
        self.app, self.pm2, self.state = app, pm2, folder / "state"
        self.repository, self.shas = repository
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": interpreter(),
            "greenlight_app_name": "sample-app",
            "greenlight_app_path": str(app.path),
            "greenlight_repository": str(repository[0]),
            "greenlight_database_path": str(app.database),
            "greenlight_health_url": f"{app.url}/health",
            "greenlight_port": app.port,
            "greenlight_pm2_home": str(pm2.home),
            "greenlight_pm2_executable": pm2.executable,
            "greenlight_state_path": str(self.state),
            "greenlight_stable_seconds": 1,
            "greenlight_warm_up_seconds": 1,
            "greenlight_measure_seconds": 1,
            # How fast the machine of the tests is says nothing of a revision.
            "greenlight_decision_matrix_patches": {"response_time": {"rollback_if": None}},
            **more,
        }
        self.inventory = folder / "inventory.json"
        self.inventory.write_text(json.dumps({"all": {"hosts": {"here": variables}}}))

    def play(self, name, *words):
        """Run a playbook of the collection, and return its status and what it printed."""
        return play("-i", self.inventory, f"greenlight.release.{name}", *words)

    def deploy(self, revision, *words):
        return self.play("deploy", "-e", f"greenlight_revision={revision}", *words)

    def records(self):
        return [json.loads(path.read_text()) for path in sorted((self.state / "releases").glob("*.json"))]

    def pids(self):
        return [process["pid"] for process in self.pm2.processes()]

    def revision(self):
        return self.app.get("/health")["revision"]
