# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revisions of a git checkout: resolved, fetched beside the running one, checked out.

Nothing a checkout's own settings could start is started: no hooks, no file system monitor, no ssh command. No commit is
ever made. Credentials in a URL travel in the environment, never in an argument, since git shows its arguments in ps.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.greenlight.release.plugins.module_utils import _proc

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# What git-check-ref-format(1) forbids, and a leading dash, which would be an option.
_FORBIDDEN = re.compile(r"^-|\.\.|//|@\{|[\x00-\x20\x7f~^:?*\[\\]|\.lock$|\.lock/|^/|/$|\.$|/\.")
_CREDENTIALS = re.compile(r"(\w://)[^\s/@]+@")
_UNTRUSTED = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.sshCommand=", "protocol.ext.allow=never")
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply")
_LISTED_COMMITS = 50


class GitError(Exception):
    """A revision, a repository or a checkout does not allow what was asked."""


@dataclass(frozen=True)
class Done:
    """How a git command ended."""

    code: int
    output: str
    error: str


Run = Callable[[Sequence[str]], Done]


@dataclass(frozen=True)
class Status:
    """What C(git status) says: the commit that is checked out, and paths that differ from it."""

    head: str
    branch: str
    changed: Tuple[str, ...]
    untracked: Tuple[str, ...]


def check_revision(revision: str) -> str:
    """Return a branch, tag or SHA that may be given to git. Raises GitError for anything else."""
    if not revision or _FORBIDDEN.search(revision):
        raise GitError(f"{revision!r} is no branch, tag or commit SHA; correct the revision")
    return revision


def mask(text: str) -> str:
    """Return a text without the credentials of the URLs in it."""
    return _CREDENTIALS.sub(r"\1***@", text)


def split_credentials(repository: str) -> Tuple[str, Dict[str, str]]:
    """Return an http URL without its credentials, and git settings that send them all the same.

    Raises GitError for a URL that could be an option or start a program.
    """
    if not repository or repository.startswith(("-", "ext::")):
        raise GitError(f"{mask(repository)!r} is no repository; give its URL")
    parts = urlsplit(repository) if "://" in repository else None
    if parts is None or parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return repository, {}
    user, _at, host = parts.netloc.rpartition("@")
    name, _colon, password = user.partition(":")
    token = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    clean = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return clean, {f"http.{parts.scheme}://{host}/.extraHeader": f"Authorization: Basic {token}"}


def secrets_in(repository: str) -> List[str]:
    """Return what must not be shown of a URL: its password, or all of its credentials when it has none."""
    user = urlsplit(repository).netloc.rpartition("@")[0] if "://" in repository else ""
    password = user.partition(":")[2] or user
    return sorted({password, unquote(password)} - {"", "git"})


def make_environment(caller: Mapping[str, str], settings: Mapping[str, str]) -> Dict[str, str]:
    """Return the environment for git: the caller's without what would lead git elsewhere, and the settings."""
    kept = {name: value for name, value in caller.items() if not name.startswith("GIT_") or name == "GIT_SSH_COMMAND"}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    kept.update(GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0", LC_ALL="C.UTF-8")
    for index, (name, value) in enumerate(settings.items()):
        kept[f"GIT_CONFIG_KEY_{index}"], kept[f"GIT_CONFIG_VALUE_{index}"] = name, value
    return {**kept, "GIT_CONFIG_COUNT": str(len(settings))}


def make_run(environment: Mapping[str, str], timeout: float, where: str = ".") -> Run:
    """Return a function that runs git in a folder and kills it, with all it started, after C(timeout) seconds."""
    settings = [word for setting in _UNTRUSTED for word in ("-c", setting)]

    def run(arguments: Sequence[str]) -> Done:
        try:
            process = subprocess.Popen(
                ["git", "-C", where, *settings, *arguments],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise GitError("git is not installed on this host; install it") from error
        try:
            output, problem = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise GitError(f"git {arguments[0]} did not end in {timeout:g} seconds; look at the remote") from error
        return Done(process.returncode, output.decode("utf-8", "surrogateescape"), problem.decode("utf-8", "replace"))

    return run


def demand(done: Done, what: str) -> str:
    """Return the output of a command that succeeded. Raises GitError with git's own last words."""
    if done.code == 0:
        return done.output
    words = [line for line in mask(done.error).splitlines() if line.strip() and not line.startswith("hint:")]
    raise GitError(f"{what}: {' | '.join(words[-3:]) or 'git said nothing'}")


def resolve(run: Run, repository: str, revision: str) -> str:
    """Ask a repository for the full SHA of a branch, tag or SHA. Raises GitError."""
    shown = mask(repository)
    is_sha = _SHA.fullmatch(revision) is not None
    wanted = ["HEAD"] if is_sha else [f"refs/heads/{revision}", f"refs/tags/{revision}", f"refs/tags/{revision}^{{}}"]
    clean = split_credentials(repository)[0]
    refs = parse_ls_remote(
        demand(run(["ls-remote", "--", clean, *wanted]), f"The repository {shown} cannot be asked for {revision}")
    )
    if is_sha:
        return revision
    branch = refs.get(wanted[0])
    tag = refs.get(wanted[2], refs.get(wanted[1]))
    if branch and tag and branch != tag:
        raise GitError(f"{revision} is a branch and a tag of {shown}, at different commits; give the full commit SHA")
    if not branch and not tag:
        raise GitError(f"{shown} has no branch or tag {revision}; correct the revision, or give a full commit SHA")
    return str(branch or tag)


def parse_ls_remote(output: str) -> Dict[str, str]:
    """Read C(git ls-remote): ref -> SHA."""
    pairs = (line.split("\t", 1) for line in output.splitlines() if "\t" in line)
    return {ref: sha for sha, ref in pairs}


def parse_status(output: str) -> Status:
    """Read C(git status --porcelain=v2 --branch -z), see git-status(1)."""
    head, branch = "", ""
    changed: List[str] = []
    untracked: List[str] = []
    entries = iter(output.split("\0"))
    for entry in entries:
        if entry.startswith("# branch.oid "):
            head = entry[len("# branch.oid ") :]
        elif entry.startswith("# branch.head "):
            branch = entry[len("# branch.head ") :]
        elif entry.startswith("1 "):
            changed.append(entry.split(" ", 8)[8])
        elif entry.startswith("2 "):
            changed.append(entry.split(" ", 9)[9])
            next(entries)  # The path that it was renamed from.
        elif entry.startswith("u "):
            changed.append(entry.split(" ", 10)[10])
        elif entry.startswith("? "):
            untracked.append(entry[2:])
    return Status(head, "" if branch == "(detached)" else branch, tuple(changed), tuple(untracked))


def refuse_foreign(path: Path) -> None:
    """Raise GitError for a folder of another user, who could not use what git would write there."""
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise GitError(f"{path} belongs to user {owner}, not to {os.geteuid()}; run as its owner (become_user)")


def read_status(run: Run, path: Path) -> Status:
    """Look at a checkout. Raises GitError when there is none, or it cannot be trusted to be left alone."""
    if not path.is_dir():
        raise GitError(f"{path} is not a folder; clone the repository there first")
    refuse_foreign(path)
    top = demand(run(["rev-parse", "--show-toplevel"]), f"{path} is not a git checkout that this user can use").strip()
    if Path(top).resolve() != path.resolve():
        raise GitError(f"{path} is a folder inside the checkout {top}; give the checkout itself")
    return parse_status(demand(run(["status", "--porcelain=v2", "--branch", "-z", "-uall"]), f"Cannot look at {path}"))


def folder_of(run: Run, path: Path) -> Path:
    """Return the git directory of a checkout or of a bare repository."""
    return Path(demand(run(["rev-parse", "--absolute-git-dir"]), f"Cannot look at {path}").strip())


def refuse_unfinished(run: Run, path: Path, status: Status) -> None:
    """Raise GitError for a checkout with local changes, a merge in progress, or a lock on its index."""
    folder = folder_of(run, path)
    for name in _UNFINISHED:
        if (folder / name).exists():
            raise GitError(f"{path} is in the middle of a git operation ({name}); finish or abort it")
    if (folder / "index.lock").exists():
        raise GitError(f"{folder / 'index.lock'} exists; end the git process that made it, or remove it")
    if status.changed:
        raise GitError(f"{path} has local changes in {_list(status.changed)}; commit them elsewhere or undo them")


def _list(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def has_commit(run: Run, sha: str) -> bool:
    return run(["cat-file", "-e", f"{sha}^{{commit}}"]).code == 0


def fetch(run: Run, repository: str, sha: str) -> None:
    """Fetch the branches and tags of a repository into refs/greenlight. Raises GitError when the SHA is not there."""
    shown, clean = mask(repository), split_credentials(repository)[0]
    refs = ["+refs/heads/*:refs/greenlight/heads/*", "+refs/tags/*:refs/greenlight/tags/*"]
    command = ["fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--prune", "--quiet"]
    demand(run([*command, "--", clean, *refs]), f"Cannot fetch from {shown}")
    if not has_commit(run, sha):
        demand(run([*command[:-2], "--quiet", "--", clean, sha]), f"{shown} does not have the commit {sha}")


def paths_of(run: Run, sha: str) -> List[str]:
    """Return the paths of a commit's files. Raises GitError for a commit with submodules."""
    paths = demand(run(["ls-tree", "-r", "-z", "--name-only", sha]), f"Cannot read {sha}").split("\0")
    if ".gitmodules" in paths:
        raise GitError(f"{sha} has submodules, which are not supported")
    return [path for path in paths if path]


def refuse_in_the_way(run: Run, path: Path, paths: Sequence[str], sha: str) -> None:
    """Raise GitError when one of the paths of a revision is that of a file which the checkout does not track."""
    tracked = set(demand(run(["ls-files", "-z"]), f"Cannot look at {path}").split("\0"))
    obstacles = [name for name in paths if name not in tracked and os.path.lexists(str(path / name))]
    if obstacles:
        raise GitError(f"{sha} would overwrite {_list(obstacles)} in {path}, which git does not track; move it away")


def lend_objects(run: Run, path: Path, temporary: Path, run_there: Run) -> None:
    """Make a repository in an empty folder that borrows all objects of another one, and writes none into it.

    So a commit can be fetched and compared although nothing of the repository may change, not even a ref.
    """
    what = f"Cannot rehearse with {path}"
    words = ["rev-parse", "--path-format=absolute", "--git-path", "objects", "--git-path", "shallow"]
    objects, shallow = (Path(line) for line in demand(run(words), what).splitlines())
    demand(run_there(["init", "--quiet", "--bare", str(temporary)]), what)
    (temporary / "objects" / "info" / "alternates").write_text(f"{objects}\n", encoding="utf-8")
    if shallow.is_file():
        (temporary / "shallow").write_bytes(shallow.read_bytes())
    # A remote sends only what does not follow from a ref.
    head = run(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).output.strip()
    if head:
        demand(run_there(["update-ref", "refs/greenlight/known", head]), what)


def compare(run: Run, head: str, sha: str) -> Dict[str, Any]:
    """Return C({changed_paths, commits, commit_count, forced}) between two commits."""
    names = demand(run(["diff", "--name-only", "--no-renames", "-z", head, sha]), f"Cannot compare {head} with {sha}")
    subjects = demand(
        run(["log", f"--max-count={_LISTED_COMMITS}", "--format=%H %s", f"{head}..{sha}"]), f"Cannot list {sha}"
    )
    count = demand(run(["rev-list", "--count", f"{head}..{sha}"]), f"Cannot count {sha}")
    return {
        "changed_paths": [name for name in names.split("\0") if name],
        "commits": [dict(zip(("sha", "subject"), line.split(" ", 1))) for line in subjects.splitlines()],
        "commit_count": int(count),
        "forced": run(["merge-base", "--is-ancestor", head, sha]).code != 0,
    }


def check_out(run: Run, path: Path, sha: str) -> None:
    """Check a commit out, detached, never over local changes. Raises GitError when the tree is not exactly it."""
    words = ["checkout", "--quiet", "--no-overwrite-ignore", "--detach", sha, "--"]
    demand(run(words), f"Cannot check out {sha} in {path}")
    status = read_status(run, path)
    if status.head != sha or status.changed:
        raise GitError(f"{path} is not {sha} after the checkout: {_list(status.changed) or status.head}")


def recover(run: Run, path: Path, from_sha: str, sha: str) -> None:
    """Complete a checkout that was killed half-way between two commits.

    Only files that differ between the two are put back, and only where nobody changed another tracked file: the rest of
    the tree is what both commits say. A lock on the index is removed, unless the process that made it lives: git goes
    on when only the one that started it was killed.
    """
    _remove_dead_lock(folder_of(run, path) / "index.lock")
    between = set(compare(run, from_sha, sha)["changed_paths"])
    status = read_status(run, path)
    others = [name for name in status.changed if name not in between]
    if others:
        raise GitError(f"{path} has local changes in {_list(others)}, which no release made; undo them and try again")
    obstacles = [name for name in status.untracked if name in between]
    for name in obstacles:
        (path / name).unlink()
    demand(run(["reset", "--hard", "--quiet", status.head]), f"Cannot put {path} back to {status.head}")


def _remove_dead_lock(lock: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        status = lock.stat()
        alive = _proc.holders(frozenset({(status.st_dev, status.st_ino)}))
        if alive:
            raise GitError(f"{lock} is held by process {_proc.describe(alive)}; wait for it to end, or end it")
        lock.unlink()
