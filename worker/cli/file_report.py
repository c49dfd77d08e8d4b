"""Prints the report on statement files as text."""

import re
from collections.abc import Iterator
from typing import Any

from worker.cli.output import fitted, say
from worker.connectors.file.statement.notification_details import entries

Report = dict[str, Any]

_ADDS_UP = {"proven": "adds up", "mismatch": "DOES NOT ADD UP", "unproven": "nothing to check it against"}
_SHOWN_ROWS = 10
_WIDTH = 80
_LABEL = re.compile(r" +[a-z]+(?: [a-z]+)? +(?=\S)")
_SHOWN_CHARACTERS = 60
_SUMS = frozenset({"unit", "total"})


def print_report(shown: Report) -> None:
    """Print the report on a path, a block for each file."""
    if not shown["files"] and not shown["refused"]:
        say("no statement files here")
    for file in shown["files"]:
        for line in _file(file):
            say(_wrapped(line))
        say()
    for one in shown["duplicates"]:
        say(f"duplicate: {one['file']} is the same file as {one['same_as']}, and is read once")
    for one in shown["waiting"]:
        say(f"waiting: {entries(one['entries'])} of {one['account']} for a camt.053")
        say("         (add it to the folder; --notifications reads them as rows of their own)")
    for one in shown["unused_details"]:
        say(_wrapped(f"not used: details of {entries(one['entries'])} of notifications: {one['reason']}"))
    for refusal in shown["refused"]:
        place = f"{refusal['file']}, line {refusal['line']}" if refusal["line"] else refusal["file"]
        say(_wrapped(f"refused: {place}: {refusal['reason']}"), err=True)


def _wrapped(line: str) -> str:
    """Break a long line between words; the rest is set in behind the label."""
    label = _LABEL.match(line)
    return fitted(line, _WIDTH, len(label[0]) if label else 4)


def _file(file: Report) -> Iterator[str]:
    yield f"{file['file']}: {_format(file)}, {file['encoding']}"
    if file["columns"]:
        roles = ", ".join(f"{role} = {_joined(name)}" for role, name in file["columns"].items())
        yield f"  columns   {roles}"
        yield f"  read as   dates {file['date_order'] or 'as the profile says'}, decimal mark {file['decimal']}"
    for account in file["accounts"]:
        yield from _account(account)
    yield from _asides(file)
    for row in file["rejected"][:_SHOWN_ROWS]:
        yield f"  rejected  line {row['line']}: {row['reason']}"
    if file["rejected_count"] > _SHOWN_ROWS:
        yield f"  rejected  {file['rejected_count'] - _SHOWN_ROWS} more"


def _asides(file: Report) -> Iterator[str]:
    """Say what is no row: what was left out, warnings, remarks, and what the pieces of the file were used as."""
    for reason, count in file["left_out"].items():
        yield f"  left out  {count} x {reason}"
    for warning in file["warnings"]:
        yield f"  warning   {warning}"
    for remark in file["remarks"][:_SHOWN_ROWS]:
        text = f": {remark['text'][:_SHOWN_CHARACTERS]}" if remark["text"] else ""
        yield f"  remark    line {remark['line']}: {remark['reason']}{text}"
    if file["remark_count"] > _SHOWN_ROWS:
        yield f"  remark    {file['remark_count'] - _SHOWN_ROWS} more"
    if file["accounted"]:
        yield f"  accounted {_accounted(file['accounted'])}"


def _format(file: Report) -> str:
    if file["profile"] is None:
        return str(file["format"]).upper()
    kind = "CSV" if file["format"] == "csv" else "Spreadsheet"
    return f"{kind}, profile {file['profile']} (confidence {file['confidence']:.2f})"


def _accounted(used: Report) -> str:
    parts = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in used.items() if name not in _SUMS and count
    )
    return f"{used['total']} {used['unit']}s: {parts}"


def _joined(name: object) -> str:
    return " + ".join(name) if isinstance(name, list) else str(name)


def _account(one: Report) -> Iterator[str]:
    known = f", known by {one['known_by']}" if one["known_by"] else ""
    yield f"  account   {one['name']} ({one['id']}{known}), {one['type']}, {one['currency'] or 'no currency stated'}"
    period = f", {one['first_on']} to {one['last_on']}" if one["first_on"] else ""
    pending = f", {one['pending']} of them pending" if one["pending"] else ""
    yield f"    rows      {one['rows']}{pending}, {one['rejected']} rejected{period}"
    yield f"    money     in {one['money_in']:f}, out {one['money_out']:f}"
    for name in ("opening", "closing", "available"):
        if one[name]:
            currency = one[name]["currency"] or one["currency"]
            amount = f"{one[name]['amount']:f}{f' {currency}' if currency else ''}"
            yield f"    {name:<9} {amount} on {one[name]['on']}"
    off = f" by {one['off_by']:f}" if one["off_by"] is not None else ""
    yield f"    balance   {_ADDS_UP[one['adds_up']]}{off}"
    for each in one["imbalances"][:_SHOWN_ROWS]:
        yield f"              {each['reason']}"
    for window in one["covers"]:
        yield f"    complete  {window['from']} to {window['to']}, as the statement declares"
    if one["ids"] != "none":
        yield f"    ids       {one['ids']}"
