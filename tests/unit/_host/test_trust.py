# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import trust
from ansible_collections.greenlight.release.plugins.module_utils._host.trust import TrustError

SHOP, OTHER = 12345, 23456


@pytest.fixture
def place(tmp_path, owners):
    """Return a folder of the shop and one of another user, each with a file of theirs."""
    for name, uid in (("shop", SHOP), ("other", OTHER), ("roots", 0)):
        (tmp_path / name).mkdir(mode=0o755)
        (tmp_path / name / "own.db").write_text(name)
        owners.give(tmp_path / name / "own.db", uid)
        owners.give(tmp_path / name, uid)
    return tmp_path


def link(owners, path, target, uid):
    path.symlink_to(target)
    owners.give(path, uid)
    return path


@pytest.mark.parametrize(
    "at, target, uid, refused",
    [
        ("shop", "../other/own.db", SHOP, True),
        ("shop", "{place}/other/own.db", SHOP, True),
        ("shop", "../roots/own.db", SHOP, True),
        ("shop", "own.db", SHOP, False),
        ("shop", "./own.db", 0, False),
        ("roots", "../other/own.db", 0, False),
        ("roots", "../other/own.db", OTHER, False),
        # What does not exist yet would be made in the folder of whom it belongs to.
        ("shop", "../roots/new.db", SHOP, True),
        ("shop", "new.db", SHOP, False),
    ],
)
def test_a_link_leads_root_only_to_what_is_its_owners(place, owners, at, target, uid, refused):
    path = link(owners, place / at / "link", target.format(place=place), uid)
    expected = contextlib.nullcontext()
    if refused:
        expected = pytest.raises(
            TrustError, match=f"link is a link of uid {uid} to .*, so root does not follow it; give"
        )
    with expected, trust.held(path) as found:
        assert found.path == path.resolve()


def test_a_link_to_a_folder_and_a_chain_of_links_are_followed_by_the_same_rule(place, owners):
    link(owners, place / "shop" / "data", "../other", SHOP)
    with pytest.raises(TrustError, match="shop/data is a link of uid 12345 to .*/other, which belongs to uid 23456"):
        trust.open_regular(place / "shop" / "data" / "own.db")
    # A link of root leads on to one of the shop.
    link(owners, place / "shop" / "secret", "../other/own.db", SHOP)
    link(owners, place / "roots" / "chain", "../shop/secret", 0)
    with pytest.raises(TrustError, match="shop/secret is a link of uid 12345"):
        trust.open_regular(place / "roots" / "chain")


def test_another_user_than_root_is_led_by_the_kernels_rights_alone(place, owners, monkeypatch):
    path = link(owners, place / "shop" / "link", "../other/own.db", SHOP)
    monkeypatch.setattr(os, "geteuid", lambda: SHOP)
    trust.refuse_lent(path)
    with trust.held(path) as found:
        assert found.path == place / "other" / "own.db"
    folder = trust.open_folder_of(path)
    trust.refuse_exchanged(place / "other", folder)
    with pytest.raises(TrustError, match="shop was exchanged for another folder meanwhile"):
        trust.refuse_exchanged(place / "shop", folder)
    os.close(folder)


def test_links_in_a_circle_and_missing_folders_are_errors(place):
    (place / "one").symlink_to("two")
    (place / "two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links"), trust.held(place / "one"):
        pass
    with pytest.raises(FileNotFoundError), trust.held(place / "none" / "own.db"):
        pass
    with pytest.raises(FileNotFoundError, match="none"):
        trust.open_regular(place / "none")


def test_what_was_held_is_what_is_used_though_its_folder_is_exchanged(place, owners, monkeypatch):
    wait = trust.refuse_irregular

    def exchange(*found):
        (place / "shop").rename(place / "gone")
        (place / "shop").symlink_to("other")
        wait(*found)

    monkeypatch.setattr(trust, "refuse_irregular", exchange)
    with os.fdopen(trust.open_regular(place / "shop" / "own.db")) as file:
        assert file.read() == "shop"


@pytest.mark.parametrize(
    "path, owner, mode, message",
    [
        (
            "shop",
            OTHER,
            0o755,
            "belongs to uid 23456, but the folder .*shop to uid 12345, who could have",
        ),
        ("shop", 0, 0o755, r"belongs to root, but .* let one user own both, or run as uid 12345 \(become_user\)"),
        ("roots", 0, 0o777, "belongs to root, but others can write to .*roots; chmod it to 0755"),
        ("shop", SHOP, 0o770, ""),
        ("roots", 0, 0o1777, ""),
        ("roots", SHOP, 0o770, ""),
    ],
)
def test_a_file_belongs_to_who_can_exchange_it(place, owners, path, owner, mode, message):
    owners.give(place / path / "own.db", owner)
    (place / path).chmod(mode)
    with pytest.raises(TrustError, match=message) if message else contextlib.nullcontext():
        trust.refuse_lent(place / path / "own.db")
    with pytest.raises(TrustError, match=message) if message else contextlib.nullcontext():
        os.close(trust.open_folder_of(place / path / "own.db"))


def test_a_link_of_root_in_a_folder_of_the_shop_may_have_been_moved_there(place, owners):
    path = link(owners, place / "shop" / "link", "../other/own.db", 0)
    with pytest.raises(TrustError, match="other/own.db belongs to uid 23456, but the folder .*shop to uid 12345"):
        trust.refuse_lent(path)


def test_a_second_name_is_refused_in_a_folder_of_another_user(place, owners):
    os.link(place / "other" / "own.db", place / "shop" / "copy")
    with pytest.raises(TrustError, match="shop/copy belongs to uid 23456, has 2 hard links, and lies in a folder"):
        trust.open_regular(place / "shop" / "copy")
    os.close(trust.open_regular(place / "other" / "own.db"))


def test_a_pipe_a_device_and_a_folder_are_refused_at_once(place):
    os.mkfifo(place / "pipe")
    for path in (place / "pipe", place / "shop", "/dev/zero"):
        with pytest.raises(TrustError, match="is not a regular file; remove it, or name the file itself"):
            trust.open_regular(place / path)


def test_a_name_in_a_folder_is_looked_at_without_following_it(place):
    (place / "shop" / "link").symlink_to("own.db")
    with trust.held(place / "shop" / "own.db") as found:
        for name in ("own.db", "missing"):
            trust.refuse_irregular_name(found.folder, name)
        with pytest.raises(TrustError, match="shop/link is not a regular file"):
            trust.refuse_irregular_name(found.folder, "link")


def test_the_open_files_are_known_by_identity(place):
    with (place / "shop" / "own.db").open() as file, Path(os.devnull).open() as device:
        found = trust.open_files()
        assert found[file.fileno()] == trust.identity_of(file.fileno())
        assert device.fileno() not in found


def test_only_what_this_process_made_is_given_away(place):
    os.link(place / "other" / "own.db", place / "shop" / "made")
    with pytest.raises(TrustError, match="made was exchanged for a file that has another name as well; find out who"):
        trust.open_made(place / "shop" / "made")
    (place / "shop" / "made").unlink()
    (place / "shop" / "made").write_text("")
    os.close(trust.open_made(place / "shop" / "made"))


def test_a_lock_is_made_and_nothing_planted_is_locked(place, owners):
    os.close(trust.open_lock(place / "shop" / ".lock"))
    os.close(trust.open_lock(place / "shop" / ".lock"))
    os.link(place / "other" / "own.db", place / "shop" / ".planted")
    with pytest.raises(TrustError, match="hard links"):
        trust.open_lock(place / "shop" / ".planted")
    with pytest.raises(FileNotFoundError):
        trust.open_lock(place / "none" / ".lock")


def test_a_file_is_read_and_closed(place):
    with contextlib.ExitStack() as kept:
        descriptor = trust.open_kept(place / "shop" / "own.db", kept)
        assert os.read(descriptor, 10) == b"shop"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_folder_is_made_and_given_away_where_nobody_led_root_elsewhere(place, owners):
    trust.make_folder(place / "shop" / "backups", 0o750, -1, -1)
    assert (place / "shop" / "backups").stat().st_mode & 0o777 == 0o750
    link(owners, place / "shop" / "planted", "../other", SHOP)
    with pytest.raises(TrustError, match="shop/planted is a link of uid 12345"):
        trust.make_folder(place / "shop" / "planted" / "backups", 0o700, -1, -1)
    (place / "shop" / "link").symlink_to("../other")
    with pytest.raises(FileExistsError):
        trust.make_folder(place / "shop" / "link", 0o777, -1, -1)
    assert os.listdir(place / "other") == ["own.db"]
