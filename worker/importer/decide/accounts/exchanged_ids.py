"""Decides whether the id of an account stands for another one now, as where a bank exchanged the ids of two accounts.

Nothing is known of a delivery of which no row is the account's own although it covers days of its rows. Then the rows
say whose it is: the account's own in other words, those of another account of the user, or new ones.
"""

from collections.abc import Mapping, Sequence

from worker.importer.decide.accounts.replaced import SameAccount, compare_accounts
from worker.importer.decide.sources.rows import SourceRow


def account_of_rows(
    told: Sequence[SourceRow], own: Sequence[SourceRow], others: Mapping[int, Sequence[SourceRow]]
) -> tuple[int | None, SameAccount]:
    """Return the other account that the rows are of, and how sure that is; None where they are none of another one's.

    Args:
        told: Delivered rows of which none is known.
        own: Stored rows of the account.
        others: Stored rows of the other accounts, by account.
    """
    if compare_accounts(told, own) in _ALIKE:
        return None, SameAccount.NO
    found = {account_id: compare_accounts(told, rows) for account_id, rows in others.items()}
    for verdict in _ALIKE:
        of = [account_id for account_id, said in found.items() if said == verdict]
        if of:
            return of[0], verdict if len(of) == 1 else SameAccount.POSSIBLE
    return None, SameAccount.NO


_ALIKE = (SameAccount.EVIDENT, SameAccount.POSSIBLE)
