# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts without what differs between two lines of one kind: dates, ids, addresses, paths, quoted values, numbers."""

from __future__ import annotations

import re
from typing import List, Match, Pattern, Tuple

# What stands for a value.
VALUE = "#"
LONGEST = 4096
# Days and months as loggers and databases write them, in the languages that most locales of servers have.
_NAMES_TEXT = (
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december "
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag januar jänner februar märz mai juni juli "
    "oktober dezember "
    "lundi mardi mercredi jeudi vendredi samedi dimanche janvier février mars avril juin juillet août septembre "
    "octobre novembre décembre "
    "lunes martes miércoles jueves viernes sábado domingo enero febrero marzo abril mayo junio julio agosto septiembre "
    "setiembre octubre noviembre diciembre "
    "lunedì martedì mercoledì giovedì venerdì sabato domenica gennaio febbraio aprile maggio giugno luglio settembre "
    "ottobre dicembre "
    "segunda terça quarta quinta sexta segunda-feira terça-feira quarta-feira quinta-feira sexta-feira janeiro "
    "fevereiro março maio junho julho setembro outubro novembro dezembro "
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag januari februari maart mei augustus "
    "poniedziałek wtorek środa czwartek piątek sobota niedziela stycznia lutego marca kwietnia maja czerwca lipca "
    "sierpnia września października listopada grudnia "
    "понедельник вторник среда четверг пятница суббота воскресенье января февраля марта апреля мая июня июля августа "
    "сентября октября ноября декабря "
    "pazartesi salı çarşamba perşembe cuma cumartesi pazar ocak şubat mart nisan mayıs haziran temmuz ağustos eylül "
    "ekim kasım aralık"
)
_NAMES = _NAMES_TEXT.split()
_DATE_NAMES = frozenset(_NAMES) | {name[:length] for name in _NAMES for length in (3, 4)} | {"sept"}
_WHOLE_NAMES = frozenset(map(str.capitalize, _NAMES))
# A capital tells a name that stands alone from a word such as `may`, where the language writes it so.
_CAPITAL = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,14}(?![^\W\d_])")
# In some languages words stand between the parts of a date: 19 de febrero de 2026.
_WORD_BEFORE = re.compile(r"(?<!\w)([^\W\d_]{2,14})(?:\.?,?\s?|[/-])(?=#)")
_WORD_BEHIND = re.compile(r"(?<=#)(?:[./-]|[.,]?\s)(?:(?:de|of)\s)?([^\W\d_]{2,14})(?![\w])\.?,?")
_JOINED = re.compile(r"#,? (?:de|of|at|um|à|a las|om|о|в) #|# г\.")
# A date has no more names than these behind one another.
_MOST_NAMES = 3
_EAST = re.compile(
    r"[(（]?[月火水木金土日월화수목금토일一二三四五六](?:曜日?|요일)?[)）](?:曜日)?|[月火水木金土日]曜日|[월화수목금토일]요일|星期."
)
_HALF_OF_DAY = re.compile(r"(?:午前|午後|오전|오후|上午|下午)\s*(?=#)|(?<=#)\s*[ap]\.?\s?m\b\.?", re.IGNORECASE)
_ZONE = re.compile(
    r"(?<=#)\s*(?:[(]?(?:UTC|GMT|CES?T|[ECMP][SD]T|BST|IST|JST|MSK|Z|Uhr|uur)\b[)]?|\([A-Z][A-Za-z ]+ Time\))"
)
_UNIT = re.compile(
    r"(?<=#)\s?(?:ns|us|µs|μs|ms|msec|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|[kKMGT]i?[bB]|bytes?|B|%|px|x|rps|"
    r"times?)(?![\w])"
)
_ENDS_TEXT = (
    "com net org io dev app edu gov mil int info biz local localhost internal lan home cloud arpa test example "
    "de uk fr nl jp cn hk ru br au ca eu us ch se pl kr tw svc "
    "exe log txt csv json png jpg jpeg gif webp pdf htm html css xml yml yaml db sqlite sqlite3 zip gz tmp"
)
_ENDS = frozenset(_ENDS_TEXT.split())
# Each with a text that must be there; in this order, as what has several parts comes before its parts.
_VALUES: Tuple[Tuple[str, Pattern[str]], ...] = tuple(
    (needed, re.compile(pattern))
    for needed, pattern in (
        ("@", r"(?<![\w+.-])[\w+.-]{1,64}@[\w.-]{1,255}"),
        ("://", r"(?<![\w+.-])[A-Za-z][\w+.-]{0,30}://[^\s\"'`<>,)\]}]+"),
        ("/", r"(?<![\w.])(?:~|\.{1,2})?/(?:[\w.@%+~=:-]+/?)+(?:\?\S*)?"),
        (":", r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?:%\w+)?(?![\w:])"),
        ("", r"(?<!\w)(?:[0-9a-f]{7,}|[0-9A-F]{7,})(?!\w)"),
    )
)
# The name of a host or a file, when its last part is one of _ENDS.
_DOTTED = re.compile(r"(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63})+(?::\d+)?(?![.\w(])")
_PAIR = re.compile(
    r"(?<![\w.-])(?!(?:level|lvl|severity|msg|message|err|error|code|type|name|reason|event)=)"
    r"([A-Za-z_][\w.-]{0,63})=([^\s,;&)\]}\"]*)"
)
_TOKEN = re.compile(r"[\w.:+%-]+")
_DIGIT = re.compile(r"\d")
# A code with letters and lines under them is a name, also where it has a digit: ERR_HTTP2_INVALID_SESSION.
_CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+:?")
_CODE_BEFORE = re.compile(r"\b(?:code|errno)['\"]?\s?[:=]\s?['\"(]?$", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|`[^`]*`")
_WORD = re.compile(r"[A-Za-z_$][\w$.]{0,63}")
# Behind these a quoted word is the name of something in the code or the database.
_NAMES_IT = re.compile(
    r"\b(?:reading|read|setting|set|properties|property|of|column|table|index|constraint|module|package|plugin|"
    r"function|method|field|named?|import|export|provider|identifier|token|keyword|code|type|option|argument)"
    r"(?: named)?:?\s[\"'`(]?$",
    re.IGNORECASE,
)
_BEFORE = 24
_LETTERS = re.compile(r"\b[A-Za-z_-]{16,}\b")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_AGAIN = re.compile(rf"{VALUE}(?:[\s,;:|/.+-]*{VALUE})+")


def fold(text: str) -> str:
    """Return a text with `#` for each value in it, and for each list of them."""
    folded = _QUOTED.sub(_fold_quoted, text[:LONGEST])
    for needed, pattern in _VALUES:
        folded = pattern.sub(VALUE, folded) if needed in folded else folded
    folded = _DOTTED.sub(_fold_dotted, folded)
    folded = _PAIR.sub(rf"\1={VALUE}", folded) if "=" in folded else folded
    folded = _TOKEN.sub(_fold_digits, _LETTERS.sub(_fold_letters, folded))
    folded = _CAPITAL.sub(_fold_name, folded if folded.isascii() else _EAST.sub(VALUE, folded))
    if VALUE in folded:
        folded = _fold_dates(folded)
    return _AGAIN.sub(VALUE, folded)


def _fold_dates(folded: str) -> str:
    """Fold the names of days and months beside numbers, halves of a day, zones and units."""
    for _name in range(_MOST_NAMES):
        before = folded
        folded = _JOINED.sub(VALUE, _WORD_BEHIND.sub(_fold_date, _WORD_BEFORE.sub(_fold_date, folded)))
        if folded == before:
            break
    for pattern in (_HALF_OF_DAY, _ZONE, _UNIT):
        folded = pattern.sub("", folded)
    return folded


def _fold_date(found: Match[str]) -> str:
    return VALUE if found[1].lower() in _DATE_NAMES else found[0]


def _fold_name(found: Match[str]) -> str:
    return VALUE if found[0] in _WHOLE_NAMES else found[0]


def _fold_quoted(found: Match[str]) -> str:
    begin = found.start()
    is_name = _WORD.fullmatch(found[0][1:-1]) and _NAMES_IT.search(found.string, max(0, begin - _BEFORE), begin)
    return found[0] if is_name else VALUE


def _fold_dotted(found: Match[str]) -> str:
    return VALUE if found[0].rpartition(".")[2].partition(":")[0] in _ENDS else found[0]


def _fold_digits(found: Match[str]) -> str:
    text, begin = found[0], found.start()
    if not _DIGIT.search(text) or _CODE.fullmatch(text):
        return text
    if _CODE_BEFORE.search(found.string, max(0, begin - _BEFORE), begin):
        return text
    # What only ends a sentence or a part of it is no part of the value.
    return VALUE + (text[-1] if text[-1] in ":.-" else "")


def _fold_letters(found: Match[str]) -> str:
    """Fold letters by chance, as an id has them: words, also joined ones, change between capitals and others less."""
    parts: List[str] = _PARTS.findall(found[0])
    return VALUE if len(parts) * 3 > len(found[0]) else found[0]
