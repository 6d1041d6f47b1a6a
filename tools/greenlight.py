# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door: everything that a visitor or CI does with a checkout, one command each."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

import checks
import demo
from environment import CACHE, CHECKOUT, VENV, Missing, build, variables


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="greenlight", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("demo", help="release the sample app twice: once green, once rolled back by itself")
    show.add_argument(
        "--bad", default="logs-errors", choices=demo.BAD, help="which bad revision (default: %(default)s)"
    )
    show.add_argument(
        "--init", action="store_true", help="let the playbook init look at the app and write its variables first"
    )
    test = commands.add_parser("test", help="run everything that CI runs")
    test.add_argument("--only", action="append", choices=checks.NAMES, help="run this step only; repeatable")
    test.add_argument("--fast", action="store_true", help="leave out the steps that need containers")
    bench = commands.add_parser("bench", help="run a benchmark")
    bench.add_argument(
        "name", choices=sorted(path.stem[6:] for path in (CHECKOUT / "tests/benchmarks").glob("bench_*.py"))
    )
    bench.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("doctor", help="say what is missing")
    commands.add_parser("clean", help="remove everything that was built")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    try:
        if arguments.command == "clean":
            demo.clean_up()
            shutil.rmtree(CACHE, ignore_errors=True)
            return 0
        if arguments.command == "doctor":
            return checks.diagnose()
        build("demo" if arguments.command == "demo" else "test")
        if arguments.command == "demo":
            return demo.show(arguments.bad, arguments.init)
        if arguments.command == "test":
            return checks.run_all(arguments.only, arguments.fast)
        script = CHECKOUT / "tests" / "benchmarks" / f"bench_{arguments.name}.py"
        python = str(VENV / "bin" / "python")
        os.execve(python, [python, str(script), *arguments.arguments], variables())
    except Missing as error:
        print(f"greenlight: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("greenlight: interrupted", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
