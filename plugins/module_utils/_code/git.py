# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Git, run safely; revisions of a repository, resolved, fetched and compared.

Nothing a checkout's own settings could start is started: no hooks, no file system monitor, no ssh command. No commit is
ever made. Credentials in a URL travel in the environment, never in an argument, since git shows its arguments in ps.
"""

from __future__ import annotations

import base64
import functools
import os
import re
import shlex
import shutil
import signal
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.greenlight.release.plugins.module_utils._code import ssh
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import run_group
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_sha
from ansible_collections.greenlight.release.plugins.module_utils._values.output import telling_lines

# What git-check-ref-format(1) forbids, and a leading dash, which would be an option.
_FORBIDDEN = re.compile(r"^-|\.\.|//|@\{|[\x00-\x20\x7f~^:?*\[\\]|\.lock$|\.lock/|^/|/$|\.$|/\.")
_CREDENTIALS = re.compile(r"(\w://)[^\s/@]+@")
_UNTRUSTED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sshCommand=",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
)
# How the caller says which key and which authorities to use. A checkout's own settings cannot.
_KEPT = (
    "GIT_SSH_COMMAND",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_PROXY_SSL_CAINFO",
)
# What `git lfs install` sets for a user, who need not have called it.
_LFS = {
    "filter.lfs.clean": "git-lfs clean -- %f",
    "filter.lfs.smudge": "git-lfs smudge -- %f",
    "filter.lfs.process": "git-lfs filter-process",
    "filter.lfs.required": "true",
}
_KEY_OF_SSH = re.compile(r"(?:^|\s)-i\s*([^\s'\"]+)")
_LISTED_COMMITS = 50


class GitError(GreenlightError):
    """A revision, a repository or a checkout does not allow what was asked."""


@dataclass(frozen=True)
class Done:
    """How a git command ended."""

    code: int
    output: str
    error: str


@dataclass(frozen=True)
class Entry:
    """A file of a commit."""

    path: str
    size: int


Run = Callable[[Sequence[str]], Done]


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
    """Return what must not be shown of a URL: its password, or all of its credentials when it has none.

    A user of ssh is no secret, and hiding it would tear holes into paths and messages.
    """
    parts = urlsplit(repository if "://" in repository else "")
    user, _colon, password = parts.netloc.rpartition("@")[0].partition(":")
    secret = password or ("" if "ssh" in parts.scheme else user)
    return sorted({secret, unquote(secret)} - {"", "git"})


def make_environment(
    caller: Mapping[str, str], settings: Mapping[str, str], deploy_key: Optional[str] = None
) -> Dict[str, str]:
    """Return the environment for git: the caller's without what would lead git elsewhere, and the settings.

    With a `deploy_key` no other key is offered, not even one of an agent. Raises GitError for one that ssh refuses.
    """
    kept = {name: value for name, value in caller.items() if not name.startswith("GIT_") or name in _KEPT}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    if deploy_key:
        kept["GIT_SSH_COMMAND"] = f"ssh -oBatchMode=yes -oIdentitiesOnly=yes -i {shlex.quote(checked_key(deploy_key))}"
    kept.update(GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0", LC_ALL="C.UTF-8")
    used = {**(_LFS if shutil.which("git-lfs", path=kept.get("PATH")) else {}), **settings}
    for index, (name, value) in enumerate(used.items()):
        kept[f"GIT_CONFIG_KEY_{index}"], kept[f"GIT_CONFIG_VALUE_{index}"] = name, value
    return {**kept, "GIT_CONFIG_COUNT": str(len(used))}


def checked_key(path: str) -> str:
    """Return the path of a private key. Raises GitError for one that is not there, or that others may read."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise GitError(
            f"The deploy key {path} cannot be used: {error.strerror}; correct greenlight_deploy_key"
        ) from error
    if not stat.S_ISREG(mode):
        raise GitError(f"The deploy key {path} is no file; correct greenlight_deploy_key")
    if mode & 0o077:
        raise GitError(f"The deploy key {path} has mode {mode & 0o777:04o}, so ssh does not use it; set it to 0600")
    return path


def make_run(environment: Mapping[str, str], timeout: float, where: str = ".", grace: float = 5) -> Run:
    """Return a function that runs git in a folder and ends it, with all it started, after `timeout` seconds.

    Git is asked to end first, so that it removes its locks, and killed `grace` seconds later.
    """
    settings = [word for setting in _UNTRUSTED for word in ("-c", setting)]

    def run(arguments: Sequence[str]) -> Done:
        try:
            ended = run_group(["git", "-C", where, *settings, *arguments], environment, timeout, grace=grace)
        except FileNotFoundError as error:
            raise GitError("git is not installed on this host; install it") from error
        if ended.state != "ended":
            asked = arguments[2] if arguments[0] == "-C" else arguments[0]
            raise GitError(f"git {asked} did not end in {timeout:g} seconds; check the remote")
        output, problem = ended.output.decode("utf-8", "surrogateescape"), ended.error.decode("utf-8", "replace")
        return Done(ended.code, output, problem)

    return run


def demand(done: Done, what: str) -> str:
    """Return the output of a command that succeeded. Raises GitError with git's own words that tell why it did not."""
    if done.code == 0:
        return done.output
    said = [line for line in mask(done.error).splitlines() if not line.startswith("hint:")]
    words = telling_lines(ssh.without_repeats(said), 3)
    if done.code < 0:
        words.insert(0, f"git was ended by {_name_of_signal(-done.code)}")
    advice = ssh.advise(done.error)
    told = " | ".join(words) or "git said nothing"
    raise GitError(f"{what}: {told.rstrip('.')}; {advice}" if advice else f"{what}: {told}")


def _name_of_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def resolve(run: Run, repository: str, revision: str) -> str:
    """Ask a repository for the full SHA of a branch, tag or SHA. Raises GitError."""
    shown = mask(repository)
    is_full = is_sha(revision)
    wanted = ["HEAD"] if is_full else [f"refs/heads/{revision}", f"refs/tags/{revision}", f"refs/tags/{revision}^{{}}"]
    clean = split_credentials(repository)[0]
    refs = parse_ls_remote(
        demand(run(["ls-remote", "--", clean, *wanted]), f"The repository {shown} cannot be asked for {revision}")
    )
    if is_full:
        return revision
    branch = refs.get(wanted[0])
    tag = refs.get(wanted[2], refs.get(wanted[1]))
    if branch and tag and branch != tag:
        raise GitError(f"{revision} is a branch and a tag of {shown}, at different commits; give the full commit SHA")
    if not branch and not tag:
        raise GitError(f"{shown} has no branch or tag {revision}; correct the revision, or give a full commit SHA")
    return str(branch or tag)


def parse_ls_remote(output: str) -> Dict[str, str]:
    """Read `git ls-remote`: ref -> SHA."""
    pairs = (line.split("\t", 1) for line in output.splitlines() if "\t" in line)
    return {ref: sha for sha, ref in pairs}


def refuse_foreign(path: Path) -> None:
    """Raise GitError for a folder of another user, who could not use what git would write there."""
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise GitError(f"{path} belongs to user {owner}, not to {os.geteuid()}; run as its owner (become_user)")


# Users wait while git is asked, and where a checkout and its git directory lie does not change meanwhile.
@functools.lru_cache(maxsize=None)
def folder_of(run: Run, path: Path) -> Path:
    """Return the git directory of a checkout or of a bare repository."""
    return Path(demand(run(["rev-parse", "--absolute-git-dir"]), f"Cannot inspect {path}").strip())


@functools.lru_cache(maxsize=None)
def top_of(run: Run, path: Path) -> Path:
    """Return the folder that a checkout begins in."""
    shown = run(["rev-parse", "--show-toplevel"])
    return Path(demand(shown, f"{path} is not a git checkout that this user can use").strip())


def has_commit(run: Run, sha: str) -> bool:
    return run(["cat-file", "-e", f"{sha}^{{commit}}"]).code == 0


def text_of(run: Run, sha: str, path: str) -> Optional[str]:
    """Return the text of a file of a commit, None where it has no such file."""
    done = run(["cat-file", "blob", f"{sha}:{path}"])
    return done.output if done.code == 0 else None


def fetch(run: Run, repository: str, sha: str) -> None:
    """Fetch the branches and tags of a repository into refs/greenlight. Raises GitError when the SHA is not there."""
    shown, clean = mask(repository), split_credentials(repository)[0]
    refs = ["+refs/heads/*:refs/greenlight/heads/*", "+refs/tags/*:refs/greenlight/tags/*"]
    command = ["fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--prune", "--quiet"]
    done = run([*command, "--", clean, *refs])
    demand(done, f"Cannot fetch from {shown}{_explain_ssh(run, clean) if done.code else ''}")
    if not has_commit(run, sha):
        demand(run([*command[:-2], "--quiet", "--", clean, sha]), f"{shown} does not have the commit {sha}")


def _explain_ssh(run: Run, repository: str) -> str:
    """Say that a checkout names an ssh command, which is not run: it could be any program."""
    named = _ssh_command(run)
    named = "" if repository.startswith(("http", "file:", "/", ".")) else named
    if not named:
        return ""
    key = key_of_ssh(run)
    todo = f"set greenlight_deploy_key to {key}, or" if key else "set greenlight_deploy_key, or"
    return f" (its core.sshCommand is not run; {todo} GIT_SSH_COMMAND in the environment of the play)"


def key_of_ssh(run: Run) -> str:
    """Return the key that the ssh command of a checkout names, empty for none."""
    return next(iter(_KEY_OF_SSH.findall(_ssh_command(run))), "")


def _ssh_command(run: Run) -> str:
    return run(["config", "--local", "--get-all", "core.sshCommand"]).output.strip()


def parse_tree(output: str) -> Tuple[List[Entry], Dict[str, str]]:
    """Read `git ls-tree -r -l -z`: the files, and the commit of each submodule by its path."""
    entries, links = [], {}
    for line in filter(None, output.split("\0")):
        facts, _tab, path = line.partition("\t")
        _mode, kind, sha, size = facts.split()
        if kind == "commit":
            links[path] = sha
        else:
            entries.append(Entry(path, int(size)))
    return entries, links


@functools.lru_cache(maxsize=None)
def tree_of(run: Run, sha: str) -> Tuple[List[Entry], Dict[str, str]]:
    """Return the files of a commit, and the commit of each submodule by its path. Raises GitError."""
    return parse_tree(demand(run(["ls-tree", "-r", "-l", "-z", sha]), f"Cannot read {sha}"))


def files_of(run: Run, sha: str) -> List[Entry]:
    """Return the files of a commit, without those of submodules. Raises GitError."""
    return tree_of(run, sha)[0]


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


def changed_between(run: Run, one: str, other: str, submodules: bool = True) -> List[str]:
    """Return the paths that differ between two commits, also those of `submodules`."""
    words = ["diff", "--name-only", "--no-renames", "-z", f"--ignore-submodules={'none' if submodules else 'all'}"]
    names = demand(run([*words, one, other]), f"Cannot compare {one} with {other}")
    return [name for name in names.split("\0") if name]


def compare(run: Run, head: str, sha: str) -> Dict[str, Any]:
    """Return `{changed_paths, commits, commit_count, forced}` between two commits."""
    subjects = demand(
        run(["log", f"--max-count={_LISTED_COMMITS}", "--format=%H %s", f"{head}..{sha}"]), f"Cannot list {sha}"
    )
    count = demand(run(["rev-list", "--count", f"{head}..{sha}"]), f"Cannot count {sha}")
    return {
        "changed_paths": changed_between(run, head, sha),
        "commits": [dict(zip(("sha", "subject"), line.split(" ", 1))) for line in subjects.splitlines()],
        "commit_count": int(count),
        "forced": run(["merge-base", "--is-ancestor", head, sha]).code != 0,
    }
