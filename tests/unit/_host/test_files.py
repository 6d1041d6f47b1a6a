# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import pwd
import stat
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import files


def test_a_text_replaces_a_file_whole_and_private(tmp_path):
    target = tmp_path / "manifest.json"
    target.write_text("old")
    (tmp_path / ".manifest.json.partial").write_text("left by a killed writer")
    files.write_whole(target, "new")
    assert (target.read_text(), target.stat().st_mode & 0o777, os.listdir(tmp_path)) == ("new", 0o600, [target.name])


def test_a_private_file_is_never_one_that_exists(tmp_path):
    (tmp_path / "x").symlink_to("/etc/passwd")
    with pytest.raises(FileExistsError):
        files.create_private(tmp_path / "x")


@pytest.mark.parametrize("size, expected", [(5, b"01234"), (10, b"0123456789"), (20, b"0123456789")])
def test_as_many_bytes_as_asked_for_are_copied(tmp_path, size, expected):
    (tmp_path / "source").write_bytes(b"0123456789")
    source, target = os.open(tmp_path / "source", os.O_RDONLY), files.create_private(tmp_path / "target")
    try:
        how = files.copy_in_kernel(source, target, size)
    finally:
        os.close(source)
        os.close(target)
    assert how in ("clone", "copy")
    assert (tmp_path / "target").read_bytes() == expected


@pytest.mark.parametrize("error, expected", [(None, "clone"), (errno.EOPNOTSUPP, "copy")])
def test_a_filesystem_that_can_clone_is_asked_to(tmp_path, monkeypatch, error, expected):
    def ioctl(target, _request, source):
        if error:
            raise OSError(error, "no")
        os.write(target, os.pread(source, 100, 0))

    monkeypatch.setattr(files.fcntl, "ioctl", ioctl)
    (tmp_path / "source").write_bytes(b"abcdef")
    with (tmp_path / "source").open("rb") as source, (tmp_path / "target").open("wb") as target:
        assert files.copy_in_kernel(source.fileno(), target.fileno(), 4) == expected
    assert (tmp_path / "target").read_bytes() == b"abcd"


def test_a_full_disk_while_cloning_is_not_hidden(tmp_path, monkeypatch):
    def ioctl(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.fcntl, "ioctl", ioctl)
    with pytest.raises(OSError, match="No space left"):
        files.copy_in_kernel(0, 1, 1)


def test_a_hash_is_that_of_the_whole_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert files.sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_text_is_synced_before_it_gets_its_name_and_the_name_after(tmp_path, monkeypatch):
    steps, replace = [], os.replace

    def sync(descriptor):
        status = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(status.st_mode) else f"{status.st_size} bytes")

    def rename(source, target):
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(files.os, "fsync", sync)
    monkeypatch.setattr(files.os, "replace", rename)
    files.write_whole(tmp_path / "state.json", "new")
    assert steps == ["3 bytes", "rename", "folder"]


def test_a_copy_goes_on_where_the_kernel_stopped(tmp_path, monkeypatch):
    def ioctl(*_arguments):
        raise OSError(errno.EXDEV, "no")

    sendfile = os.sendfile
    monkeypatch.setattr(files.fcntl, "ioctl", ioctl)
    monkeypatch.setattr(files.os, "sendfile", lambda to, of, at, count: sendfile(to, of, at, min(count, 4)))
    (tmp_path / "source").write_bytes(b"0123456789")
    with (tmp_path / "source").open("rb") as source, (tmp_path / "target").open("wb") as target:
        files.copy_in_kernel(source.fileno(), target.fileno(), 9)
    assert (tmp_path / "target").read_bytes() == b"012345678"


@pytest.mark.parametrize("size", [0, 10, 8192])
def test_a_file_is_synced_in_steps(tmp_path, monkeypatch, size):
    synced = []
    (tmp_path / "x").write_bytes(b"a" * size)
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    files.sync_in_steps(tmp_path / "x", step=4096)
    assert synced == [size]


@pytest.mark.parametrize("links", [True, False])
def test_a_finished_file_gets_a_name_that_nothing_has(tmp_path, monkeypatch, links):
    def refuse(*_arguments):
        raise OSError(errno.EOPNOTSUPP, "no hard links here")

    if not links:
        monkeypatch.setattr(files.os, "link", refuse)
    for content in ("one", "two"):
        (tmp_path / "partial").write_text(content)
        if content == "one":
            files.name_exclusively(tmp_path / "partial", tmp_path / "final")
        else:
            with pytest.raises(FileExistsError):
                files.name_exclusively(tmp_path / "partial", tmp_path / "final")
    assert (tmp_path / "final").read_text() == "one"


def test_another_error_than_missing_links_is_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.name_exclusively(tmp_path / "absent", tmp_path / "final")


def test_a_name_is_on_the_disk_before_it_is_relied_on(tmp_path, monkeypatch):
    synced = []
    (tmp_path / "partial").write_text("x")
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: synced.append(os.listdir(f"/proc/self/fd/{descriptor}")))
    files.name_exclusively(tmp_path / "partial", tmp_path / "final")
    assert synced == [["final"]]


@pytest.mark.parametrize(
    "uid, owner", [(os.getuid(), None), (4242424242 % 2**31, "uid 2094940594"), (None, "another user")]
)
def test_the_owner_of_a_file_is_named(tmp_path, monkeypatch, uid, owner):
    if uid is None:
        assert files.owner_of(tmp_path / "missing") == owner
        return
    monkeypatch.setattr(Path, "stat", lambda _path: os.stat_result((0, 0, 0, 0, uid, 0, 0, 0, 0, 0)))
    assert files.owner_of(tmp_path) == (owner or pwd.getpwuid(uid).pw_name)


def test_no_file_is_made_in_a_folder_to_which_another_user_led_root(tmp_path, owners):
    for name, uid in (("shop", 12345), ("other", 23456)):
        (tmp_path / name).mkdir()
        owners.give(tmp_path / name, uid)
    (tmp_path / "shop" / "backups").symlink_to("../other")
    owners.give(tmp_path / "shop" / "backups", 12345)
    with pytest.raises(PermissionError, match="shop/backups is a link of uid 12345 to"):
        files.create_private(tmp_path / "shop" / "backups" / "new.db")
    assert os.listdir(tmp_path / "other") == []


def test_only_the_filesystem_of_a_folder_is_synced(tmp_path, monkeypatch):
    files.sync_filesystem(tmp_path)
    monkeypatch.setattr(
        files.ctypes, "CDLL", lambda *_name, **_how: type("Libc", (), {"syncfs": lambda _self, _fd: -1})()
    )
    monkeypatch.setattr(files.ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        files.sync_filesystem(tmp_path)


@pytest.mark.parametrize(
    "error, sentence",
    [
        (ValueError("It is wrong; correct it"), "It is wrong; correct it"),
        (OSError(errno.EIO, "Input/output error", "/a"), "The system refused the work: Input/output error (/a); check"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied; correct the path, or its owner and"),
        (OSError("odd"), "The system refused the work: odd; correct the path"),
    ],
)
def test_what_the_system_refuses_is_told_with_what_to_do(error, sentence):
    assert sentence in files.told(error)


def test_what_holds_a_database_is_known_by_how_it_begins_and_not_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "app").write_bytes(b"SQLite format 3\0" + bytes(84))
    (tmp_path / "text.db").write_text("no database")
    os.mkfifo(tmp_path / "pipe.db")
    names = ("app", "text.db", "pipe.db", "none.db")
    assert [name for name in names if files.is_database(tmp_path / name)] == ["app"]

    def refuse(*_given):
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert not files.is_database(tmp_path / "app")
