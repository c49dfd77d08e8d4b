"""Maps error codes of SimpleFIN responses to connector errors; an unknown code is read by its prefix. Pure."""

from collections.abc import Mapping

from worker.connectors import error_meanings as means
from worker.connectors.error_meanings import Meaning

ERRORS: Mapping[str, Meaning] = {
    "gen.auth": means.REVOKED,
    "gen.": means.BANK_DOWN,
    "con.auth": means.ACTION_REQUIRED,
    "con.": means.BANK_DOWN,
    "act.": means.BANK_DOWN,
}
"""`gen.` is about the token, `con.` about one bank behind it, `act.` about one account. Version 1 has no codes: a
sentence that names a bank is `con.auth`."""


def meaning_of(code: str) -> Meaning:
    """Return what a code means."""
    prefix = code.partition(".")[0] + "."
    return ERRORS.get(code or "con.auth") or ERRORS.get(prefix, means.BANK_DOWN)
