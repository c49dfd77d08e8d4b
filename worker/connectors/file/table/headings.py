"""Reads what the names of the columns of money say besides: a currency, cents or thousands. Pure."""

import re
from collections.abc import Mapping

from worker.connectors.file.statement.currencies import currency_sign
from worker.connectors.file.statement.errors import StatementError, about_column
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.profile import Profile

_LAST_WORD = re.compile(r"(?:^|[\s(\[])([^\s()\[\]]{1,10})\s?[)\]]?$")
_SCALE = re.compile(
    r"(?i)\b(?:in )?(cents?|pence|pennies|minor units?|thousands?|tausend|tsd\.?|'?000s?|k|k€|mio\.?|millions?|"
    r"miles|millares|mil|milhares|milliers|migliaia|tys\.?|tis\.?)\s*[)\]]?$"
)


def heading_currencies(profile: Profile) -> frozenset[str]:
    """Return the currencies that the names of the columns of money carry, as in `Amount (EUR)` or `Betrag (€)`."""
    columns = (profile.amount, profile.debit, profile.credit, profile.balance)
    found = (_LAST_WORD.search(name) for name in columns if name)
    return frozenset(code for one in found if one is not None and (code := currency_sign(one[1])) is not None)


def refuse_headings(layout: Layout, stated: Mapping[str, str], currency: str | None) -> None:
    """Refuse a table whose column names say that its amounts are not plain amounts of one currency.

    Args:
        stated: Columns whose meaning a person states: they are read as they are.

    Raises: StatementError with what to state.
    """
    profile = layout.profile
    names = [name for name in (profile.amount, profile.debit, profile.credit) if name] if layout.guessed else []
    scaled = next(((name, said[1]) for name in names if name not in stated and (said := _SCALE.search(name))), None)
    if scaled is not None:
        name, word = scaled
        question = f"What does column '{name}' hold?"
        raise StatementError(
            f"column '{name}' holds amounts in {word}: convert them in a spreadsheet program, or state"
            f" --column '{name}=amount' if they are whole amounts",
            doubts=(about_column(name, question, "amount", "ignore"),),
        )
    codes = heading_currencies(profile)
    if len(codes) > 1 and currency is None and profile.currency is None:
        raise StatementError(f"the columns are named in {' and '.join(sorted(codes))}: state --currency for the rows")
