"""Finds accounts of a folder that one file states with a currency and another one without. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from worker.connectors.base import Account
from worker.connectors.file.statement.account_numbers import account_key, home_currency


def currencies_of_others(accounts: Iterable[Account]) -> dict[str, str]:
    """Return the currency of each account that has none, by its id, where other files state one for its number.

    A number with accounts in several currencies tells nothing, and neither does an IBAN whose country has a currency:
    without a stated one its account is in that.
    """
    stated: defaultdict[str, set[str]] = defaultdict(set)
    without: dict[str, str] = {}
    for account in accounts:
        if account.anchor is None:
            continue
        if account.currency is not None:
            stated[account.anchor].add(account.currency)
        elif account.external_id == account_key(account.anchor) and home_currency(account.anchor) is None:
            without[account.external_id] = account.anchor
    return {key: code for key, anchor in without.items() for code in stated[anchor] if len(stated[anchor]) == 1}
