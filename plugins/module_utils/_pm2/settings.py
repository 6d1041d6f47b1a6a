# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of PM2's settings: by which words they are given, how PM2 keeps them, and when it takes a change.

How PM2 turns an ecosystem file into what it keeps: `verifyConfs` and `prepareAppConf` in its lib/Common.js,
lib/API/schema.json and lib/tools/Config.js, the same in PM2 5 to 7.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.variables import text

# The default of a setting that follows from something else, so that it is compared only where it is given.
UNKNOWN = object()
_TIME_FORMAT = "YYYY-MM-DDTHH:mm:ss"
_SIZES = {"K": 1024, "M": 1024**2, "G": 1024**3}
_TIMES = {"s": 1000, "m": 60 * 1000, "h": 60 * 60 * 1000}

# Takes the name of a setting, its value, and the working folder, and returns what PM2 keeps, None for nothing.
Reader = Callable[[str, Any, str], Any]


def absolute(path: str, folder: Path) -> Path:
    """Return an absolute path in which symbolic links are kept, so that a flipped one is followed."""
    return Path(os.path.normpath(str(folder / Path(path).expanduser())))


def without_instance_id(path: str) -> str:
    """Return the path of a log without the id of the instance, which PM2 puts before its suffix."""
    return re.sub(r"-\d+\.log$", ".log", path)


def _as_it_is(_name: str, value: Any, _cwd: str) -> Any:
    return value


def _words(name: str, value: Any, _cwd: str) -> List[str]:
    """Split a line of arguments as a shell does. Raises PM2Error, without the line, as it may hold secrets."""
    if isinstance(value, list):
        return [text(each) for each in value]
    try:
        return shlex.split(str(value))
    except ValueError as error:
        raise PM2Error(f"{name} cannot be split into arguments: {error}; correct it, or give a list") from None


def _number(units: Mapping[str, int]) -> Reader:
    """Return a reader of a number with one of the units behind it, which raises PM2Error for anything else."""

    def read(name: str, value: Any, _cwd: str) -> float:
        shown = str(value)
        plain, factor = (shown[:-1], units[shown[-1]]) if shown[-1:] in units else (shown, 1)
        try:
            number = float(plain) * factor
        except ValueError:
            known = f", or one followed by {', '.join(units)}" if units else ""
            raise PM2Error(f"{name} must be a number{known}, not {shown!r}") from None
        return int(number) if number.is_integer() else number

    return read


def _log_path(_name: str, value: Any, cwd: str) -> Optional[str]:
    # What PM2 takes for no log at all.
    if value == "NULL":
        return os.devnull
    return without_instance_id(str(absolute(value, Path(cwd or "/")))) if value else None


def _whole_log(name: str, value: Any, cwd: str) -> Optional[str]:
    """Return the log of both streams; where it is only wanted, its name follows from that of the process."""
    return None if value in (True, False) else _log_path(name, value, cwd)


def _exit_codes(_name: str, value: Any, _cwd: str) -> Optional[List[Any]]:
    return _same_codes(value) or None


def _same_codes(kept: Any) -> List[Any]:
    """PM2 keeps a list of one code as that code."""
    given = kept if isinstance(kept, list) else [kept]
    return [int(each) if str(each).isdigit() else each for each in given]


def _schedule(_name: str, value: Any, _cwd: str) -> Optional[str]:
    return _same_schedule(value)


def _same_schedule(kept: Any) -> Optional[str]:
    """A 0 is no schedule."""
    return None if str(kept) == "0" else str(kept)


def _same_texts(kept: Any) -> Any:
    return [text(each) for each in kept] if isinstance(kept, list) else kept


def _interpreter(_name: str, value: Any, _cwd: str) -> Any:
    """PM2 keeps what is given, but for a name for which it searches a program itself."""
    searched = str(value) in ("node", "coffee", "lsc") or "@" in str(value)
    return None if searched else value


def _time_format(_name: str, value: Any, _cwd: str) -> Optional[str]:
    return _TIME_FORMAT if value else None


def _false_alone(_name: str, value: Any, _cwd: str) -> Optional[bool]:
    return False if value is False else None


@dataclass(frozen=True)
class Setting:
    """One setting, `name` and `aliases` being the words for it in an ecosystem file.

    PM2 keeps it as `kept_as`, by default its name, with the value of `read`; where that is None, config.py reads it
    together with others. `default` is what PM2 keeps where nothing is said, None for nothing. A running process takes
    a change `live`, with a restart, or at its `creation` alone. What is `ignored` is handed to PM2 and never compared,
    for the `reason`. `same` brings what PM2 keeps into the form in which it is compared.
    """

    name: str
    aliases: Tuple[str, ...] = ()
    default: Any = UNKNOWN
    read: Optional[Reader] = _as_it_is
    applies: Literal["live", "creation", "ignored"] = "live"
    kept_as: str = ""
    reason: str = ""
    same: Callable[[Any], Any] = lambda kept: kept

    @property
    def key(self) -> str:
        return self.kept_as or self.name


def _ignored(reason: str, *names: str, aliases: Tuple[str, ...] = ()) -> List[Setting]:
    return [Setting(name, aliases, read=None, applies="ignored", reason=reason) for name in names]


_PLAIN_NUMBER = _number({})
_UNNOTICED = "a change goes unnoticed: it counts when the process is created again"

LOG_PATHS = ("pm_log_path", "pm_out_log_path", "pm_err_log_path")

# What comes later in the table wins where two settings are kept under one name.
SETTINGS: Tuple[Setting, ...] = (
    Setting("script", ("cmd", "command", "exec"), read=None, kept_as="pm_exec_path"),
    Setting("cwd", read=None, kept_as="pm_cwd"),
    Setting("exec_mode", read=None, applies="creation"),
    Setting("instances", read=None, applies="creation"),
    Setting("exec_interpreter", ("interpreter",), read=_interpreter),
    Setting("args", default=[], read=_words, same=_same_texts),
    Setting("node_args", ("interpreter_args", "interpreterArgs"), default=[], read=_words),
    Setting("out_file", ("out_log", "output", "out"), read=_log_path, applies="creation", kept_as="pm_out_log_path"),
    Setting(
        "error_file",
        ("err_log", "err_file", "err", "error"),
        read=_log_path,
        applies="creation",
        kept_as="pm_err_log_path",
    ),
    Setting("log_date_format", default=None),
    Setting("time", read=_time_format, kept_as="log_date_format"),
    Setting("log_type", default=None),
    Setting("namespace", default="default", applies="creation"),
    Setting("autostart", default=True, applies="creation"),
    Setting("autorestart", default=True),
    Setting("cron_restart", ("cron",), default=None, read=_schedule, applies="creation", same=_same_schedule),
    Setting("watch", default=False, applies="creation"),
    Setting("max_memory_restart", default=None, read=_number(_SIZES)),
    Setting("min_uptime", default=None, read=_number(_TIMES)),
    Setting("max_restarts", default=None, read=_PLAIN_NUMBER),
    Setting("restart_delay", default=None, read=_PLAIN_NUMBER),
    Setting("exp_backoff_restart_delay", default=None, read=_PLAIN_NUMBER),
    Setting("stop_exit_codes", default=None, read=_exit_codes, same=_same_codes),
    Setting("kill_timeout", default=None, read=_PLAIN_NUMBER),
    Setting("kill_retry_time", default=100, read=_PLAIN_NUMBER),
    Setting("listen_timeout", default=None, read=_PLAIN_NUMBER),
    Setting("wait_ready", default=False),
    Setting("shutdown_with_message", default=False),
    Setting("treekill", default=True),
    Setting("vizion", default=True),
    Setting("pmx", default=True),
    Setting("automation", read=_false_alone, kept_as="pmx"),
    *_ignored("it says which process is meant", "name", "name_prefix", "append_env_to_name"),
    *_ignored("variables are compared one by one", "env"),
    *_ignored("it becomes the variable PORT, which is compared", "port"),
    *_ignored("PM2 keeps the id of the user in its place", "uid", aliases=("user",)),
    *_ignored("PM2 keeps the id of the group in its place", "gid"),
    *_ignored("PM2 sets the user who asks", "username"),
    *_ignored("PM2 puts the id of the instance into it", "pid_file", aliases=("pid",)),
    *_ignored("PM2 keeps other settings in its place", "execute_command", "disable_trace", "disable_logs"),
    *_ignored("it is for the service PM2.io", "trace", "v8", "event_loop_inspector", "deep_monitoring", "io"),
    *_ignored("it is an order for one call of PM2", "force", "install_url", "post_update", "write"),
    *_ignored("it counts only on Windows", "windowsHide"),
    Setting("watch_delay", default=None, read=_PLAIN_NUMBER, applies="creation"),
    Setting("ignore_watch", default=None, read=_words, applies="creation"),
    Setting("watch_options", default=None, applies="creation"),
    Setting("log_file", ("log",), default=None, read=_whole_log, applies="creation", kept_as="pm_log_path"),
    *_ignored(f"it follows from other settings as well; {_UNNOTICED}", "merge_logs", aliases=("combine_logs",)),
    Setting("increment_var", default=None, applies="creation"),
    Setting("instance_var", default="NODE_APP_INSTANCE", applies="creation"),
    Setting("source_map_support", default=None),
    *_ignored("it counts for the shell that starts PM2", "filter_env"),
    *_ignored("PM2 looks for a source map only without it", "disable_source_map_support"),
)

_NAMES = frozenset(setting.name for setting in SETTINGS)
# What PM2 keeps where an ecosystem file is silent, by its name in PM2.
DEFAULTS: Dict[str, Any] = {setting.key: setting.default for setting in SETTINGS if setting.default is not UNKNOWN}
_SAME = {setting.key: setting.same for setting in SETTINGS}
NEED_CREATION = frozenset(setting.key for setting in SETTINGS if setting.applies == "creation")


def canonical(app: Mapping[str, Any]) -> Dict[str, Any]:
    """Return an entry of an ecosystem file with one word for each setting, where PM2 takes several.

    Where a word has no value, or one that JavaScript counts as false, PM2 asks for the next one. So a 0 is lost behind
    the name of a setting, and counts behind its last word, which is the name in camel case.
    """
    words = {word for setting in SETTINGS for word in _words_for(setting)}
    found = {key: value for key, value in app.items() if key not in words}
    for setting in SETTINGS:
        value = None
        for word in _words_for(setting):
            value = value or app.get(word)
        if value is not None:
            found[setting.name] = value
    # It is lost as well, but that it was said is enough.
    return {**found, "merge_logs": False} if app.get("merge_logs") is False else found


def _words_for(setting: Setting) -> List[str]:
    # PM2 looks at this one before it knows other words.
    last = [] if setting.name == "execute_command" else [_camel_case(setting.name)]
    return [setting.name, *setting.aliases, *last]


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each[:1].upper() + each[1:] for each in rest)


def as_pm2_takes_it(app: Mapping[str, Any]) -> Dict[str, Any]:
    """Return an entry of an ecosystem file in which no value is lost to PM2 that counts as false, see `canonical`."""
    lost = {key for key, value in app.items() if key in _NAMES and not value and key != "merge_logs"}
    return {_camel_case(key) if key in lost else key: value for key, value in app.items()}


def same_form(key: str, kept: Any) -> Any:
    """Return what PM2 keeps of a setting in the form in which it is compared; None where it says nothing."""
    same = _SAME.get(key)
    kept = same(kept) if same and kept is not None else kept
    return DEFAULTS.get(key) if kept is None else kept


def kept_settings(app: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what PM2 keeps of the settings that are given and can be read alone. Raises PM2Error."""
    kept: Dict[str, Any] = {}
    for setting in SETTINGS:
        given = app.get(setting.name)
        value = setting.read(setting.name, given, app.get("cwd") or "") if setting.read and given is not None else None
        if value is not None:
            kept[setting.key] = value
    return kept
