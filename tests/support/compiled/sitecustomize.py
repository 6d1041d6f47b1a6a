# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the compiled code of what is imported from a zip file, as Python does for files.

Ansible sends each module as a zip file of sources, and Python compiles all of them, some twice, for every task. The
tests run the same modules hundreds of times.
"""

from __future__ import annotations

import _imp
import contextlib
import marshal
import os
import sys
import zipimport

FOLDER = os.environ.get("GREENLIGHT_COMPILED") or os.path.expanduser("~/.cache/greenlight-compiled")
compile_anew = zipimport._compile_source


def compile_once(path, source):
    name = f"{FOLDER}/{_imp.source_hash(1, source).hex()}-{len(source)}.{sys.implementation.cache_tag}"
    with contextlib.suppress(OSError, ValueError, EOFError):
        with open(name, "rb") as file:  # noqa: PTH123
            code = marshal.loads(file.read())
        _imp._fix_co_filename(code, path)
        return code
    code = compile_anew(path, source)
    with contextlib.suppress(OSError):
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        with open(f"{name}.{os.getpid()}", "wb") as file:  # noqa: PTH123
            file.write(marshal.dumps(code))
        os.replace(f"{name}.{os.getpid()}", name)
    return code


zipimport._compile_source = compile_once
