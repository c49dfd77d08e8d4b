"""Mutations of statement files: what disks, editors, mail programs and banks do to them."""

import gzip
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

_TAG = re.compile(r"</?[A-Za-z][^<>]*>|:\d{2}[A-Z]?:")
_DIGITS = re.compile(r"\d+")
_AMOUNT = re.compile(r"-?\d[\d.,]*[.,]\d{2}\b")
_OTHER_MARKS = str.maketrans(",.", ".,")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A changed file.

    Attributes:
        kind: Name of the mutation.
        data: The file's bytes.
        removed: Text that the mutation took out of the file; empty where it only added or changed.
    """

    kind: str
    data: bytes
    removed: str = ""


def _cut(text: str, random: Random) -> tuple[str, str]:
    at = random.randrange(1, len(text))
    return text[:at], text[at:]


def _cut_at_line(text: str, random: Random) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    at = random.randrange(1, len(lines))
    return "".join(lines[:at]), "".join(lines[at:])


def _delete_line(text: str, random: Random) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    gone = lines.pop(random.randrange(len(lines)))
    return "".join(lines), gone


def _delete_lines(text: str, random: Random) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    at, count = random.randrange(len(lines)), random.randrange(2, 6)
    return "".join(lines[:at] + lines[at + count :]), "".join(lines[at : at + count])


def _double_line(text: str, random: Random) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    at = random.randrange(len(lines))
    return "".join([*lines[: at + 1], *lines[at:]]), ""


def _move_line(text: str, random: Random) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    moved = lines.pop(random.randrange(len(lines)))
    lines.insert(random.randrange(len(lines) + 1), moved)
    return "".join(lines), ""


def _join_lines(text: str, random: Random) -> tuple[str, str]:
    ends = [at for at, mark in enumerate(text) if mark == "\n"]
    at = random.choice(ends)
    return text[:at] + text[at + 1 :], ""


def _split_line(text: str, random: Random) -> tuple[str, str]:
    at = random.randrange(1, len(text))
    return f"{text[:at]}\n{text[at:]}", ""


def _delete_tag(text: str, random: Random) -> tuple[str, str]:
    tags = list(_TAG.finditer(text))
    if not tags:
        return _delete_character(text, random)
    tag = random.choice(tags)
    return text[: tag.start()] + text[tag.end() :], ""


def _damage_tag(text: str, random: Random) -> tuple[str, str]:
    tags = list(_TAG.finditer(text))
    if not tags:
        return _change_character(text, random)
    tag = random.choice(tags)
    at = random.randrange(tag.start(), tag.end())
    return text[:at] + random.choice("xX7<>:") + text[at + 1 :], ""


def _delete_character(text: str, random: Random) -> tuple[str, str]:
    at = random.randrange(len(text))
    return text[:at] + text[at + 1 :], ""


def _change_character(text: str, random: Random) -> tuple[str, str]:
    at = random.randrange(len(text))
    return text[:at] + random.choice(";,.\"'x7 <>&:-\t|") + text[at + 1 :], ""


def _stray_quote(text: str, random: Random) -> tuple[str, str]:
    at = random.randrange(len(text))
    return text[:at] + '"' + text[at:], ""


def _quote_cell(text: str, random: Random) -> tuple[str, str]:
    starts = [found.end() for found in re.finditer(r"[,;\t|]|^", text, re.MULTILINE)]
    at = random.choice(starts)
    return text[:at] + '"' + text[at:], ""


def _extra_separator(text: str, random: Random) -> tuple[str, str]:
    at = random.randrange(len(text))
    return text[:at] + random.choice(",;\t|") + text[at:], ""


def _delete_separator(text: str, random: Random) -> tuple[str, str]:
    found = [at for at, mark in enumerate(text) if mark in ",;\t|"]
    at = random.choice(found) if found else random.randrange(len(text))
    return text[:at] + text[at + 1 :], ""


def _widen_field(text: str, random: Random) -> tuple[str, str]:
    runs = list(_DIGITS.finditer(text))
    run = random.choice(runs)
    return text[: run.end()] + "0" * random.choice((1, 3, 16)) + text[run.end() :], ""


def _block_moved(text: str, random: Random) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    at, count = random.randrange(len(lines)), random.randrange(2, 5)
    block = lines[at : at + count]
    del lines[at : at + count]
    to = random.randrange(len(lines) + 1)
    return "".join([*lines[:to], *block, *lines[to:]]), ""


def _swap_cells(text: str, random: Random) -> tuple[str, str]:
    """Swap two cells of one line, or of every line."""
    lines = text.splitlines(keepends=True)
    mark = max(",;\t", key=text.count)
    whole = random.random() < 0.3
    chosen = range(len(lines)) if whole else [random.randrange(len(lines))]
    one, other = random.randrange(5), random.randrange(5)
    for at in chosen:
        cells = lines[at].rstrip("\n").split(mark)
        if max(one, other) < len(cells) and lines[at].endswith("\n"):
            cells[one], cells[other] = cells[other], cells[one]
            lines[at] = mark.join(cells) + "\n"
    return "".join(lines), ""


def _repeat_beginning(text: str, random: Random) -> tuple[str, str]:
    """Put the first lines (a header, an envelope) into the middle again, as files that were put together have it."""
    lines = text.splitlines(keepends=True)
    at = random.randrange(1, len(lines))
    return "".join([*lines[:at], *lines[: random.randrange(1, 6)], *lines[at:]]), ""


def _file_twice(text: str, _random: Random) -> tuple[str, str]:
    return text + text, ""


def _nul_bytes(text: str, random: Random) -> tuple[str, str]:
    at = random.randrange(len(text))
    return text[:at] + "\x00" * random.choice((1, 2, 512)) + text[at:], ""


def _swap_marks(text: str, random: Random) -> tuple[str, str]:
    """Write one amount, or all of a line, with the other marks of decimals and thousands."""
    lines = text.splitlines(keepends=True)
    at = random.randrange(len(lines))
    swapped = _AMOUNT.sub(lambda found: found[0].translate(_OTHER_MARKS), lines[at])
    return "".join([*lines[:at], swapped, *lines[at + 1 :]]), ""


def _bom_inside(text: str, random: Random) -> tuple[str, str]:
    starts = [0, *(at + 1 for at, mark in enumerate(text[:-1]) if mark == "\n")]
    at = random.choice(starts) if random.random() < 0.8 else random.randrange(len(text))
    return text[:at] + "\ufeff" + text[at:], ""


def _reorder_lines(text: str, random: Random) -> tuple[str, str]:
    """Shuffle a few neighbouring lines: tags of a record, fields of a transaction."""
    lines = text.splitlines(keepends=True)
    at, count = random.randrange(len(lines)), random.randrange(2, 8)
    block = lines[at : at + count]
    random.shuffle(block)
    return "".join([*lines[:at], *block, *lines[at + count :]]), ""


def _break_in_quotes(text: str, random: Random) -> tuple[str, str]:
    quoted = list(re.finditer(r'"[^"\n]{2,}"', text))
    if not quoted:
        return _split_line(text, random)
    found = random.choice(quoted)
    at = random.randrange(found.start() + 1, found.end())
    return text[:at] + random.choice(("\r\n", "\n", "\r")) + text[at:], ""


def _blank_lines(text: str, random: Random) -> tuple[str, str]:
    lines = text.splitlines(keepends=True)
    at = random.randrange(len(lines))
    return "".join([*lines[:at], "\n" * random.randrange(1, 4), *lines[at:]]), ""


def _spaces(text: str, random: Random) -> tuple[str, str]:
    """Put spaces, tabs or no-break spaces around a separator or at the end of a line."""
    at = random.choice([at for at, mark in enumerate(text) if mark in ",;\t|\n>:"])
    return text[:at] + random.choice((" ", "  ", "\u00a0", "\t")) + text[at:], ""


MUTATIONS: dict[str, Callable[[str, Random], tuple[str, str]]] = {
    "cut anywhere": _cut,
    "cut at a line": _cut_at_line,
    "a line deleted": _delete_line,
    "lines deleted": _delete_lines,
    "a line doubled": _double_line,
    "a line moved": _move_line,
    "lines moved": _block_moved,
    "lines joined": _join_lines,
    "a line split": _split_line,
    "a tag deleted": _delete_tag,
    "a tag damaged": _damage_tag,
    "a character deleted": _delete_character,
    "a character changed": _change_character,
    "a stray quote": _stray_quote,
    "a cell opened by a quote": _quote_cell,
    "a separator added": _extra_separator,
    "a separator deleted": _delete_separator,
    "a field widened": _widen_field,
    "cells swapped": _swap_cells,
    "the beginning repeated": _repeat_beginning,
    "the file twice": _file_twice,
    "NUL bytes": _nul_bytes,
    "marks swapped": _swap_marks,
    "a BOM inside": _bom_inside,
    "lines reordered": _reorder_lines,
    "a break in quotes": _break_in_quotes,
    "blank lines": _blank_lines,
    "spaces": _spaces,
}
_PACKED = 0.01
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "iso-8859-15")
LINE_ENDS = ("\n", "\r\n", "\r")


def mutant(text: str, encoding: str, kind: str, random: Random) -> Mutant:
    """Return one mutant of a file."""
    changed, removed = MUTATIONS[kind](text, random)
    if random.random() < 0.1:
        changed = changed.replace("\n", random.choice(LINE_ENDS))
    if random.random() < 0.1:
        encoding = random.choice(ENCODINGS)
    data = changed.encode(encoding, "replace")
    wrap = random.random()
    if wrap < _PACKED:
        data = gzip.compress(data)
    elif wrap < 2 * _PACKED:
        data = _zipped(data)
    elif wrap < 3 * _PACKED and len(data) > 1:
        at = random.randrange(1, len(data))
        removed += data[at:].decode(encoding, "replace")
        data = data[:at]
    return Mutant(kind=kind, data=data, removed=removed)


def _zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("statement.txt", data)
    return packed.getvalue()
