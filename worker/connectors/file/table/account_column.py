"""Judges whether a column called account holds the statement's own account, or that of the other side. Pure.

Many banks call both `Konto` or `Rachunek`. The cells tell them apart: one's own account stands in every row, and few
accounts stand in one file.
"""

import re
from collections.abc import Collection

from worker.connectors.file.statement.errors import StatementError, about_column
from worker.connectors.file.table.profile import Profile
from worker.connectors.file.table.unknown_columns import MOST_VALUES, ColumnValues

_LIKE_NUMBER = re.compile(r"(?=(?:\D*\d){8})[A-Z]{0,2}[\dA-Z /.*-]+")
_LEAST_ROWS = 3


def with_own_account(profile: Profile, values: ColumnValues, ignored: Collection[str]) -> tuple[Profile, str | None]:
    """Return the profile with the column as what its cells show, and a sentence where that is another thing.

    Args:
        profile: Guessed of the column names.
        values: Of the column that it takes for the account.
        ignored: Columns that a person wants unread.

    Raises: StatementError with a question where it may be either.
    """
    matched = tuple(one for one in profile.match if one != values.name)
    if values.name in ignored:
        return profile.model_copy(update={"account": None, "match": matched}), None
    several, rows = len(values.values), values.filled + values.empty
    many = several * 2 > values.filled or several == MOST_VALUES
    scattered = several > 1 and many and rows >= _LEAST_ROWS
    gaps = bool(values.empty and values.filled)
    if not scattered and not gaps:
        return profile, None
    if scattered and gaps and all(map(_LIKE_NUMBER.fullmatch, values.values)):
        other = profile.counterparty_account or values.name
        update = {"account": None, "counterparty_account": other, "match": matched}
        said = f"column '{values.name}' holds the other side's accounts: rows have none, or one of their own"
        return profile.model_copy(update=update), said
    question = f"Whose account does column '{values.name}' hold?"
    raise StatementError(
        f"column '{values.name}' may hold the statement's own account or the other side's: state"
        f" --column '{values.name}=account' or '{values.name}=counterparty_account', or --ignore '{values.name}'",
        doubts=(about_column(values.name, question, "counterparty_account", "account", "ignore"),),
    )
