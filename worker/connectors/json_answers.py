"""Reads the JSON of a response so that one row that is nested too deeply affects only itself. Pure."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from worker.connectors.errors import InvalidDataError

MAX_DEPTH = 64
"""Levels of an answer that are read; what lies deeper becomes a text."""

MAX_ROW_DEPTH = 32
MAX_ROW_VALUES = 2000
MAX_TEXT = 65_536
"""Levels, values and characters of one row."""

DEEPER = "(nested too deeply)"
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)


def read_json(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return what the bytes say, with fractions as decimals, and what is no number (`NaN`) as text.

    Raises: ValueError when they are not JSON.
    """
    try:
        return _loads(content)
    except RecursionError:
        pass
    try:
        return _loads(_cut(content))
    except RecursionError:
        raise ValueError("nested without an end") from None


def _loads(content: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=str)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):  # a number that is longer, or larger, than any number can be
        return json.loads(content, parse_float=_number, parse_int=_number, parse_constant=str)


def _number(written: str) -> Decimal | int | str:
    """Return a number; one that none can be stays a text, so that it spoils its row and not the whole answer."""
    try:
        return int(written) if written.lstrip("-").isdigit() else Decimal(written)
    except (ValueError, InvalidOperation):
        return written[:MAX_TEXT]


def _cut(content: bytes) -> bytes:
    """Put a text in the place of what lies deeper than `MAX_DEPTH`."""
    kept, depth, cut_at, copied = [], 0, 0, 0
    for found in _STRING_OR_BRACKET.finditer(content):
        match found.group()[:1]:
            case b"[" | b"{":
                depth += 1
                if depth == MAX_DEPTH:
                    cut_at = found.start()
            case b"]" | b"}":
                if depth == MAX_DEPTH:
                    kept += [content[copied:cut_at], json.dumps(DEEPER).encode()]
                    copied = found.end()
                depth -= 1
            case _:
                pass  # a string
    return b"".join([*kept, content[copied:]])


def check_row(record: object) -> None:
    """Refuse a row that is nested deeper, or holds more or longer values, than any bank's.

    Raises:
        InvalidDataError: Naming what is too much.
    """
    level, left = [record], MAX_ROW_VALUES
    for _ in range(MAX_ROW_DEPTH):
        parts = [part for value in level if isinstance(value, dict | list) for part in _parts(value)]
        left -= len(parts)
        if left < 0:
            raise InvalidDataError(f"a row of more than {MAX_ROW_VALUES} values")
        if any(isinstance(part, str) and len(part) > MAX_TEXT for part in parts):
            raise InvalidDataError(f"a value of more than {MAX_TEXT} characters")
        level = [part for part in parts if isinstance(part, dict | list)]
        if not level:
            return
    raise InvalidDataError(f"a row nested more than {MAX_ROW_DEPTH} deep")


def _parts(value: dict[str, Any] | list[Any]) -> list[Any]:
    return [*value, *value.values()] if isinstance(value, dict) else value


def shortened(value: Any, levels: int = 4) -> Any:  # noqa: ANN401 - JSON
    """Return the beginning of a row that `check_row` refused: what identifies it stands on its first levels."""
    match value:
        case dict() if levels:
            return {name[:200]: shortened(part, levels - 1) for name, part in list(value.items())[:100]}
        case list() if levels:
            return [shortened(part, levels - 1) for part in value[:100]]
        case dict() | list():
            return DEEPER
        case str():
            return value[:1000]
        case _:
            return value
