# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import random
import uuid

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs.fold import VALUE, fold


def words(text):
    return text.split()


DAY = datetime.datetime(2026, 2, 19, 9, 15, 7, 123000)
OTHER = datetime.datetime(2027, 11, 6, 13, 4, 59, 7000)


def written(date):
    """Return a date as programs and locales write it."""
    month, day = date.month - 1, date.weekday()
    months = {
        "fr": words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        "de": words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        "es": words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        "pl": words(
            "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"
        ),
        "ru": words("января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
    }
    days = {
        "fr": words("lundi mardi mercredi jeudi vendredi samedi dimanche"),
        "de": words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
        "es": words("lunes martes miércoles jueves viernes sábado domingo"),
        "ru": words("понедельник вторник среда четверг пятница суббота воскресенье"),
        "ja": "月火水木金土日",
    }
    return [
        date.isoformat(),
        date.isoformat() + "Z",
        f"{date:%Y-%m-%d %H:%M:%S,%f}",
        f"{date:%a %b %d %H:%M:%S %Y}",
        f"{date:%a, %d %b %Y %H:%M:%S} GMT",
        f"{date:%d/%b/%Y:%H:%M:%S} +0000",
        f"{date:%b %-d %H:%M:%S}",
        f"{date:%A, %B %-d, %Y at %-I:%M %p}",
        f"{date:%-m/%-d/%Y, %-I:%M:%S %p}",
        f"{date:%-I:%M %p}",
        f"{date:%a %b %d %Y %H:%M:%S} GMT+0100 (Central European Standard Time)",
        f"{date:%A}",
        f"{date:%-d}. {months['de'][month]} {date:%Y}, {date:%H:%M} Uhr",
        f"{days['de'][day]}, {date:%-d}. {months['de'][month][:3]}. {date:%Y}",
        f"{days['fr'][day]} {date:%-d} {months['fr'][month]} {date:%Y} à {date:%H:%M}",
        f"{days['es'][day]}, {date:%-d} de {months['es'][month]} de {date:%Y}",
        f"{date:%-d} {months['pl'][month]} {date:%Y}",
        f"{days['ru'][day]}, {date:%-d} {months['ru'][month]} {date:%Y} г.",
        f"{date:%Y}年{date.month}月{date.day}日({days['ja'][day]}) {'午前' if date.hour < 12 else '午後'}{date.hour}時",
        f"{date.day}日 {days['ja'][day]}曜日",
        str(int(date.timestamp())),
        str(date.timestamp()),
    ]


@pytest.mark.parametrize("one, other", list(zip(written(DAY), written(OTHER))), ids=written(DAY))
def test_dates_are_folded_in_every_order_and_language(one, other):
    assert fold(f"sync failed ({one}): no disk") == fold(f"sync failed ({other}): no disk")
    assert fold(f"{one} sync failed") == fold(f"{other} sync failed")


@pytest.mark.parametrize(
    "one, other",
    [
        (str(uuid.UUID(int=7)), str(uuid.UUID(int=1 << 120))),
        ("req_0ujsswThIGTM", "req_aWgEPTl1tmebfsQ"),
        ("V1StGXR8_Z5jdHi6B-myT", "aBcDQwErTyZxCvUiOpLkJ"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
        ("0639294c", "deadbeef"),
        ("cus_f9a2", "cus_7c31"),
        ("0x7ffe", "0x1"),
        ("ann@example.com", "bob.x+y@mail.example.org"),
        ("db.internal", "replica.eu.svc:5432"),
        ("10.0.0.1", "192.168.1.254:8080"),
        ("::ffff:10.0.0.1", "fe80::1%eth0"),
        ("/srv/shop/releases/a/x.db", "/srv/shop/releases/b/y.db"),
        ("https://a.b/c?d=e", "http://x.y:8080/z"),
        ("'ann lee'", "'bob'"),
        ('"x y"', '"z"'),
        ("12ms", "1.2s"),
        ("12 ms", "3 seconds"),
        ("1.5 MB", "900 bytes"),
        ("[1, 2, 3]", "[1]"),
        ("user=ann", "user=bob"),
        ("report.csv", "orders.csv"),
    ],
)
def test_values_are_folded(one, other):
    assert fold(f"failed for {one} again") == fold(f"failed for {other} again")


@pytest.mark.parametrize(
    "one, other",
    [
        ("Cannot read properties of undefined (reading 'id')", "Cannot read properties of undefined (reading 'name')"),
        ("no such column: price", "no such column: stock"),
        ("PrismaClientKnownRequestError", "PrismaClientUnknownRequestError"),
        ("ERR_HTTP2_INVALID_SESSION", "ERR_HTTP2_STREAM_ERROR"),
        ("code: 'P2002'", "code: 'P2025'"),
        ("level=error x", "level=warn x"),
        ("it may fail", "it can fail"),
        ("a.b is not a function", "a.c is not a function"),
        ("Mark failed", "Sunny failed"),
    ],
)
def test_words_that_say_what_happened_stay(one, other):
    assert fold(one) != fold(other)


# Lines as the public collections of logs have them: a server that logs its workers, a host with logins, a proxy.
TEMPLATES = {
    "apache": [
        "[{full}] [notice] workerEnv.init() ok /etc/httpd/conf/workers{n}.properties",
        "[{full}] [error] mod_jk child workerEnv in error state {n}",
        "[{full}] [notice] jk2_init() Found child {n} in scoreboard slot {m}",
        "[{full}] [error] [client {ip}] Directory index forbidden by rule: /var/www/{word}/",
        "[{full}] [error] [client {ip}] script not found or unable to stat: /var/www/cgi-bin/{word}",
    ],
    "linux": [
        "{day} combo sshd(pam_unix)[{n}]: authentication failure; uid=0 tty=NODEVssh rhost={host} user={word}",
        "{day} combo sshd(pam_unix)[{n}]: check pass; user unknown",
        "{day} combo ftpd[{n}]: connection from {ip} ({host}) at {full}",
        "{day} combo logrotate: ALERT exited abnormally with [{m}]",
        "{day} combo kernel: Out of Memory: Killed process {n} ({word}.exe).",
    ],
    "proxy": [
        "[{clock}] {word}.exe - {host}:{n} open through proxy {host}:{n} HTTPS",
        "[{clock}] {word}.exe *64 - {host}:{n} close, {n} bytes sent, {m} bytes received, lifetime 00:0{m}",
        "[{clock}] {word}.exe - {host}:{n} close, {n} bytes ({m}.27 KB) sent, {n} bytes received, lifetime 00:01",
        "[{clock}] {word}.exe - {host}:{n} error : Could not connect through proxy {host}:{n} - status code {n}",
    ],
}


def make_lines(templates, seed, count=400):
    source = random.Random(seed)
    names = words("anna bruno carla dieter emil frida gustav hanna ivo jana karl lena")
    for _line in range(count):
        date = datetime.datetime(2026, 1, 1) + datetime.timedelta(minutes=source.randrange(500_000))
        yield source.choice(templates).format(
            full=f"{date:%a %b %d %H:%M:%S %Y}",
            day=f"{date:%b %-d %H:%M:%S}",
            clock=f"{date:%m.%d %H:%M:%S}",
            n=source.randrange(1, 65536),
            m=source.randrange(10),
            ip=".".join(str(source.randrange(256)) for _part in range(4)),
            word=source.choice(names),
            host=f"{source.choice(names)}.{source.choice(names)}.{source.choice(['com', 'net', 'edu.hk', 'org'])}",
        )


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_second_half_of_a_log_has_no_kinds_that_the_first_has_not(name):
    before = {fold(line) for line in make_lines(TEMPLATES[name], 1)}
    after = {fold(line) for line in make_lines(TEMPLATES[name], 2)}
    assert len(before) == len(TEMPLATES[name]), sorted(before)
    assert after == before


def test_what_is_new_in_a_second_half_is_as_many_kinds_as_it_has():
    added = [
        f"{{day}} combo {name}[{{n}}]: {what} {{word}}.exe"
        for name, what in zip(
            ("cups", "kernel", "syslogd", "named", "ntpd", "crond"),
            ("stopped", "oops in", "lost", "refused", "slew", "cannot run"),
        )
    ]
    before = {fold(line) for line in make_lines(TEMPLATES["linux"], 1)}
    after = {fold(line) for line in make_lines([*TEMPLATES["linux"], *added], 2)}
    assert len(after - before) == 6


def test_a_date_has_no_more_names_than_a_few():
    assert fold("mon tue wed thu fri 19") == "mon tue #"


def test_a_text_is_folded_in_a_short_time_whatever_it_holds():
    for text in ("a." * 5000, "1:" * 5000, "Mon " * 5000, "/" * 10000, "'" * 9999, "x=" * 5000, "a-" * 5000):
        assert VALUE in fold(text + " 1") or len(fold(text)) <= 4096
