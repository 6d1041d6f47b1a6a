# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ecosystem file of the revision that is to run would change, read from git before anything is touched."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import MissingModuleError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import ecosystem
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Described, Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import FAILURES, Progress, failed

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Preview:
    """What would be changed: `differences` by the names of processes, and what there is to warn of.

    `gone` are the variables that only the file of the other revision has, `beside` those that come from elsewhere.
    `wanted` is what the new revision wants of the app. One that `is_unknown` could not be read yet, so that anything
    may change.
    """

    differences: Mapping[str, Sequence[pm2.Difference]] = field(default_factory=dict)
    gone: Mapping[str, FrozenSet[str]] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    wanted: Optional[pm2.Config] = None
    warnings: Sequence[str] = ()
    is_unknown: bool = False

    @property
    def changes(self) -> bool:
        return self.is_unknown or bool(self.differences)

    @property
    def settings(self) -> Dict[str, List[str]]:
        """The names of what would be changed, by those of the processes."""
        return {name: [each.shown_key for each in found] for name, found in self.differences.items()}

    def diffs(self, path: str) -> List[Dict[str, Any]]:
        """Return the diffs of Ansible, the values of variables hidden."""
        return [
            {
                "before_header": f"{name} as it runs",
                "after_header": f"{name} by {path}",
                **{side: pm2.describe_differences(found, side) for side in ("before", "after")},
            }
            for name, found in self.differences.items()
        ]

    def told(self, inputs: Inputs, progress: Progress) -> Progress:
        """Return the progress of the checks with what is to be said of the file."""
        if inputs.ecosystem is None:
            return progress
        path = inputs.ecosystem.path
        ahead = [f"{path} would change {_names(found)} of {name}" for name, found in self.differences.items()]
        told = [*self.warnings, *(ahead if inputs.is_rehearsal else [])]
        return replace(progress, diffs=tuple(self.diffs(path))).warned(*told).found({"settings": self.settings})


def settle(inputs: Inputs) -> Tuple[Inputs, Preview]:
    """Return the inputs of a switch that starts the whole release where its settings change. Raises SwitchError."""
    whole = replace(inputs, processes=inputs.processes.with_members())
    try:
        seen = look(whole)
    except FAILURES as error:
        raise failed(inputs.plan, "check", error) from error
    if seen.changes:
        inputs = replace(whole, plan=replace(inputs.plan, restart_app=True))
    return replace(inputs, gone=seen.gone, beside=seen.beside, wanted=seen.wanted), seen


def look(inputs: Inputs) -> Preview:
    """Compare what runs with the file of the revision that is to run.

    Raises PM2Error or GitError where the release could not apply it, or a rollback could not undo that.
    """
    if inputs.ecosystem is None or inputs.plan.is_done:
        return Preview()
    with _objects(inputs) as run, tempfile.TemporaryDirectory(prefix="greenlight-") as private:
        if run is None:
            text = f"What {inputs.ecosystem.path} would change is not known: its revision is not on this host yet"
            return Preview(warnings=[text], is_unknown=True)
        source = Revisions(inputs, inputs.ecosystem, run, Path(private))
        return _back(source) if inputs.plan.is_rollback else _forward(source)


@dataclass(frozen=True)
class Revisions:
    """Where the file of each revision is read from: git, and a folder that nobody else can read."""

    inputs: Inputs
    described: Described
    run: git.Run
    private: Path

    @property
    def stage(self) -> Path:
        return layout.stage_path(self.inputs.git, self.inputs.move)

    def text_of(self, sha: str, path: str) -> Optional[str]:
        return git.text_of(self.run, sha, path)

    def read(self, sha: str, variables: Mapping[str, str]) -> Dict[str, pm2.Config]:
        """Return what the file of a revision wants, nothing where it has no such file. Raises PM2Error."""
        inputs, path, stage = self.inputs, self.described.path, self.stage
        text = self.text_of(sha, path)
        if text is None:
            return {}
        copy = self.private / sha
        copy.touch(mode=0o600)
        copy.write_text(text, encoding="utf-8", errors="surrogateescape")
        place = layout.root_of(inputs.move) / path
        folders = [folder for folder in (stage / path).parents if stage in (folder, *folder.parents)]
        modules = tuple(folder / "node_modules" for folder in folders)
        pm2.refuse_foreign(inputs.processes.app, [place], inputs.processes.uid, inputs.processes.allow_root)
        return ecosystem.read(inputs, pm2.EcosystemFile(place, self.described.env_name or "", copy, modules, variables))

    def try_read(self, sha: str, variables: Mapping[str, str] = NOTHING) -> Tuple[Dict[str, pm2.Config], List[str]]:
        """Return what the file of a revision wants, and what to say where it cannot be used."""
        try:
            return self.read(sha, variables), []
        except PM2Error as error:
            text = f"A rollback to {self.inputs.move.from_sha[:8]} leaves the settings as they are then: {error}"
            return {}, [self.inputs.processes.host.hide(text)]


@contextlib.contextmanager
def _objects(inputs: Inputs) -> Iterator[Optional[git.Run]]:
    """Lend git with the commit of the new revision, which a rehearsal fetches elsewhere; None where it cannot."""
    move = inputs.move
    if git.has_commit(inputs.git, move.to_sha):
        yield inputs.git
    elif not inputs.is_rehearsal or not inputs.repository:
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix="greenlight-") as folder:
            there = inputs.git_in(Path(folder))
            git.lend_objects(inputs.git, layout.repository_of(move.kind, move.app_path), Path(folder), there)
            git.fetch(there, inputs.repository, move.to_sha)
            yield there


def _back(source: Revisions) -> Preview:
    """A rollback is stopped by nothing that this finds."""
    inputs, listed = source.inputs, _listed(source.inputs)
    new, told = source.try_read(inputs.move.to_sha)
    beside = ecosystem.variables_beside(inputs, new.get(inputs.processes.app), listed)
    old, more = source.try_read(inputs.move.from_sha, beside)
    gone = _gone(new, old)
    return Preview(_compare(old, listed, gone), gone, beside, warnings=[*told, *more])


def _forward(source: Revisions) -> Preview:
    inputs, listed = source.inputs, _listed(source.inputs)
    move, described = inputs.move, source.described
    has_old = source.text_of(move.from_sha, described.path) is not None
    plain, _told = source.try_read(move.from_sha)
    beside = ecosystem.variables_beside(inputs, plain.get(inputs.processes.app), listed)
    if source.text_of(move.to_sha, described.path) is None:
        raise PM2Error(f"{move.to_sha[:8]} has no {described.path}; correct greenlight_ecosystem, or leave it out")
    try:
        new = source.read(move.to_sha, beside)
    except MissingModuleError as error:
        text = inputs.processes.host.hide(f"What it would change is only known at the switch: {error}")
        return Preview(beside=beside, warnings=[text], is_unknown=True)
    old, told = source.try_read(move.from_sha, beside)
    gone = _gone(old, new)
    for name, config in new.items():
        pm2.refuse_unnamed(name, replace(config, env_name=described.env_name), listed, "greenlight_ecosystem_env")
        _refuse_gone_script(source, config)
    found = _compare(new, listed, gone)
    _refuse(inputs, described, found, has_old)
    for name, drifted in _compare(old, listed, {}).items():
        told.append(
            f"{name} runs with other settings than {described.path} of {move.from_sha[:8]} has, which a rollback "
            f"applies; they differ in {_names(drifted)}"
        )
    wanted = new[inputs.processes.app]
    return Preview(found, gone, beside, wanted, [inputs.processes.host.hide(text) for text in told])


def _listed(inputs: Inputs) -> Sequence[Mapping[str, Any]]:
    return pm2.read_state(inputs.processes.host, inputs.processes.app).processes


def _names(found: Sequence[pm2.Difference]) -> str:
    return ", ".join(each.shown_key for each in found)


def _gone(runs: Mapping[str, pm2.Config], wanted: Mapping[str, pm2.Config]) -> Dict[str, FrozenSet[str]]:
    """Return the variables that only the file of the revision has that runs, by the names of the processes."""
    both = [name for name in runs if name in wanted]
    return {name: frozenset(runs[name].env) - frozenset(wanted[name].env) for name in both}


def _compare(
    wanted: Mapping[str, pm2.Config], listed: Sequence[Mapping[str, Any]], gone: Mapping[str, FrozenSet[str]]
) -> Dict[str, Sequence[pm2.Difference]]:
    """Return what differs, by the names of the processes that have something that does."""
    whole = {name: ecosystem.with_others(config, name, listed, gone.get(name)) for name, config in wanted.items()}
    found = {name: pm2.differences(config, pm2.named(listed, name)) for name, config in whole.items()}
    return {name: differ for name, differ in found.items() if differ}


def _refuse(
    inputs: Inputs, described: Described, found: Mapping[str, Sequence[pm2.Difference]], has_way_back: bool
) -> None:
    """Raise PM2Error for a change that the strategy does not allow, or that no rollback could undo."""
    for name, differ in found.items():
        if not has_way_back:
            raise PM2Error(
                f"{described.path} would change {_names(differ)} of {name}, and {inputs.move.from_sha[:8]} has no such "
                "file, so that a rollback could not undo it; release once without greenlight_ecosystem"
            )
        if inputs.plan.reloads and name == inputs.processes.app and not pm2.can_be_handed_over(differ):
            raise PM2Error(
                f"{name} must be created again to change {_names(differ)} by {described.path}, which loses requests; "
                "choose the strategy restart for this release"
            )


def _refuse_gone_script(source: Revisions, config: pm2.Config) -> None:
    """Raise PM2Error for a script in the tree that the new revision does not have, and that is not built either."""
    move = source.inputs.move
    root, script = layout.root_of(move), config.kept.get("pm_exec_path")
    path = os.path.relpath(str(script), str(root)) if script else ".."
    if path.split("/")[0] == ".." or source.text_of(move.to_sha, path) is not None:
        return
    is_tracked = source.text_of(move.from_sha, path) is not None
    if is_tracked or not any((tree / path).exists() for tree in (root, source.stage)):
        raise PM2Error(f"{move.to_sha[:8]} has no script {path}; correct it in {source.described.path}")
