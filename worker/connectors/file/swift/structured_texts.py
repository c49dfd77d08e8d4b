"""Reads name, account, reference and text out of fields `:86:` that Dutch and Polish banks structure. Pure.

Dutch banks set words of SWIFT between slashes (`/TRTP/…/IBAN/…/NAME/…/REMI/…`), mBank writes words with a colon
(`dla: …; tyt.: …`), and other Polish banks number the parts as German ones do, behind another sign than `?`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from worker.connectors.file.statement.account_numbers import find_iban

_WORDS = (
    "TRTP|TRCD|IBAN|BIC|NAME|REMI|EREF|PREF|IREF|CNTP|BENM|ORDP|INIT|ULTC|ULTD|ULTB|MARF|CSID|PURP|ISDT|RTRN|SVCL|NRTX"
    "|OCMT|EXCH|CHGS|BUSP|ADDR|ID"
)
_SLASHED = re.compile(rf"/({_WORDS})(?=/)")
_NOT_IN_TEXT = frozenset({"ADDR", "ID"})
_OF_OTHERS = frozenset({"ULTC", "ULTD", "ULTB", "INIT"})
_KIND_OF_TEXT = re.compile(r"(?:USTD/+|STRD/(?:\w+/+)?)")
_COLON_WORDS = re.compile(r"(?i);\s*(z rach\.|na rach\.|od|dla|tyt\.|tnr|id iph|data stempla|[a-z .]{1,20}):(?=\s)")
_COLON_START = re.compile(r"\s*\d{3}\s+\S")
_NUMBERED = re.compile(r"(\d{3})?([>~<^@|])\d{2}")
_FIRST_PARTS = frozenset({"00", "20"})
_NAME_PARTS, _OTHER_NAME_PARTS = ("32", "33"), ("27", "28", "29")
_BEFORE_THEM = "26"
_LEAST_WIDTH, _PART_WIDTH = 60, 27


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredText:
    """What a structured field says of the other side, and of the payment."""

    name: str | None = None
    account: str | None = None
    reference: str | None = None
    text: str | None = None


def structured_text(field: str) -> StructuredText | None:
    """Return what a field `:86:` says; None for one of another form."""
    line = _one_line(field.splitlines())
    return _slashed(line) or _with_colons(line)


def _one_line(lines: Sequence[str]) -> str:
    """Join the lines of a field: a line of full width goes on without a space."""
    width = max(map(len, lines), default=0)
    joined = ""
    for line in lines:
        joined += line if line.startswith("/") else line.lstrip()
        joined += "" if width >= _LEAST_WIDTH and len(line) == width else " "
    return re.sub(r" (?=/[A-Z]{2,4}/)", "", joined).strip()


def _slashed(line: str) -> StructuredText | None:
    found = list(_SLASHED.finditer(line))
    if not found or found[0].start():
        return None
    inside, kept = "", []
    for one in found:
        if inside != "REMI" or one[1] not in _NOT_IN_TEXT:
            kept.append(one)
            inside = one[1]
    parts: dict[str, str] = {}
    before = ""
    for one, following in zip(kept, [*kept[1:], None], strict=True):
        value = line[one.end() + 1 : following.start() if following else None].strip("/ ")
        if before not in _OF_OTHERS or one[1] not in {"NAME", "ID", "ADDR"}:
            parts.setdefault(one[1], value)
        before = one[1]
    # the other side in one word: account, bank, name, place
    account, _, name, *_ = [*parts.get("CNTP", "").split("/"), "", "", ""]
    text = _KIND_OF_TEXT.sub("", parts.get("REMI", ""), count=1)
    return StructuredText(
        name=parts.get("NAME") or name or None,
        account=parts.get("IBAN") or account or None,
        reference=parts.get("EREF") or None,
        text=" ".join(text.split()) or parts.get("TRTP") or None,
    )


def _with_colons(line: str) -> StructuredText | None:
    found = list(_COLON_WORDS.finditer(line))
    if not found or not _COLON_START.match(line):
        return None
    parts: dict[str, str] = {}
    for one, following in zip(found, [*found[1:], None], strict=True):
        value = line[one.end() : following.start() if following else None].strip("; ")
        parts.setdefault(one[1].casefold(), value)
    if not parts.keys() & {"tyt.", "tnr"}:
        return None
    account = "".join((parts.get("z rach.") or parts.get("na rach.") or "").split())
    return StructuredText(
        name=" ".join((parts.get("od") or parts.get("dla") or "").split()) or None,
        account=account or None,
        text=" ".join((parts.get("tyt.") or line[: found[0].start()].strip()[3:]).split()) or None,
    )


def with_question_marks(field: str) -> str:
    """Return a field whose parts are numbered behind another sign (`~20`, `<20`, `^20`) as German banks write it.

    Polish banks put the name into the parts 27 to 29 where they have no 32, and the IBAN into 38. A text that fills
    the part 26 beside a name goes on in 27.
    """
    line = "".join(field.splitlines())
    found = _NUMBERED.match(line)
    if found is None:
        return _with_iban(field)
    code, *numbered = re.split(rf"{re.escape(found[2])}(?=\d{{2}})", line)
    if not code and not (len(numbered) > 1 and _FIRST_PARTS & {one[:2] for one in numbered}):
        return field  # a sign before two figures, within a text
    parts: dict[str, str] = {}
    for one in numbered:
        # the blank at the end of a line is lost; a part of full width may end within a word
        ended = " " if one.startswith("2") and len(one) - 2 < _PART_WIDTH else ""
        parts[one[:2]] = parts.get(one[:2], "") + one[2:] + ended
    named = any(parts.get(key, "").strip() for key in _NAME_PARTS)
    if not named or not parts.get(_BEFORE_THEM, "").strip():
        others = " ".join(text for key in _OTHER_NAME_PARTS if (text := parts.pop(key, "").strip()))
        parts |= {"61" if named else "32": others} if others else {}
    return _with_iban((code or "000") + "".join(f"?{key}{text}" for key, text in parts.items()))


def _with_iban(field: str) -> str:
    """Put the IBAN of part 38 into the place of a plain account number."""
    line = "".join(field.splitlines())
    iban = re.search(r"\?38([^?]+)", line) if re.match(r"\d{3}\?\d{2}", line) else None
    if iban is None or find_iban(iban[1].strip()) is None:
        return field
    return re.sub(r"\?31[^?]*|\?38[^?]*", "", line) + f"?31{iban[1].strip()}"
