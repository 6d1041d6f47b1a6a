# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that read the state of a process of PM2."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Exact name of the process. All of its instances are meant.
    type: str
    required: true
  port:
    description:
      - TCP port on which every instance must take connections. By default any port will do. V(0) is for a
        process that serves no port.
    type: int
  more_ports:
    description:
      - More TCP ports on which every instance must take connections, besides O(port).
    type: list
    elements: int
    default: []
  socket:
    description:
      - Path of a unix socket on which the process must take a connection, or the daemon for the instances of a
        cluster.
    type: path
  path_under:
    description:
      - Folder in which the script must really lie, symbolic links followed.
    type: path
  revision_path:
    description:
      - File that names the revision that the process must run, relative to its working folder. It is read in
        the folder that the process really works in, as the kernel knows it, so that a flipped link or a changed
        configuration does not count.
      - Every instance must find O(revision) there to be ready. At most 4096 bytes are read.
    type: str
  revision:
    description:
      - Text that O(revision_path) must hold, such as the full commit. Blanks around both do not count.
      - Needs O(revision_path), and O(revision_path) needs it.
    type: str
  transport:
    description:
      - How PM2 is asked. V(auto) takes the daemon's V(socket), and the pm2 V(program) where the daemon speaks
        another protocol.
    type: str
    choices: [auto, socket, program]
    default: auto
  pm2_home:
    description:
      - Folder of the PM2 daemon. The default is E(PM2_HOME), else C(~/.pm2).
    type: path
"""
