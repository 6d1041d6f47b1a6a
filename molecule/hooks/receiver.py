# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write down every notification as a line of JSON; one that is sent to `/hang` is never answered."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECEIVED = "/srv/sample-app-data/notifications.jsonl"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(RECEIVED, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(json.dumps({"path": self.path, "sent": sent}) + "\n")
        if self.path == "/hang":
            threading.Event().wait()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


ThreadingHTTPServer(("", 8099), Handler).serve_forever()
