"""Tells the patterns of a profile that could take hours, or that Python cannot read. Pure."""

import re
from datetime import datetime

_MOST_REPEATS, _MOST_AT_START = 1, 2
_LONGEST = 200


def is_quick(pattern: str) -> bool:
    """Say whether a pattern is found, or not found, in a line without trying every way to read it.

    Users state patterns, and Python stops for nothing while it looks for one: `(a+)+$` in 40 letters takes hours. What
    may begin anywhere in a line is looked for as often as the line has letters, which counts as one more repeat.
    """
    without_escapes = re.sub(r"\\.", "_", pattern.removeprefix("(?i)"), flags=re.DOTALL)
    without_sets = re.sub(r"\[\^?\]?[^]]*\]", "_", without_escapes)
    at_start = without_sets.startswith("^") and "|" not in without_sets
    repeats = len(re.findall(r"[*+?{]", without_sets))
    is_plain = len(pattern) <= _LONGEST and "(" not in without_sets
    return is_plain and repeats <= (_MOST_AT_START if at_start else _MOST_REPEATS)


def is_date_format(pattern: str) -> bool:
    """Say whether `strptime` can read with a pattern, which names each part of a date once."""
    try:
        datetime.strptime("", pattern)  # noqa: DTZ007 - nothing is read
    except re.error:
        return False
    except ValueError:  # of the text, which is no date
        return True
    return True
