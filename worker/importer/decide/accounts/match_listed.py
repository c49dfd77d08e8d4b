"""Matches the accounts that the bank lists with the stored ones, also after a new link. Pure.

An account is found again by its id, by its anchor, or by name, last four, currency, type and institution together
when there is exactly one candidate; never by name alone. An id whose account states the number, or name and last four,
of another stored one is that one's now. Anything less makes a new account: its rows say whether it is
one that went missing (`decide.accounts.replaced`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from worker.connectors.base import Account
from worker.money import is_currency


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAccount:
    """The identifying fields of a stored account."""

    id: int
    external_id: str
    anchor: str | None
    name: str
    mask: str | None
    currency: str | None
    account_type: str
    institution_name: str | None
    former_external_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMatch:
    """One listed account and the stored one it is.

    Attributes:
        known_id: The stored account; None when there is none.
    """

    account: Account
    known_id: int | None


def without_repeats(listed: Iterable[Account]) -> list[Account]:
    """Return one account per id; of one that is listed several times, the first statement of each field counts.

    Rows name an account by its id alone, so that several accounts of one id could not be told apart. Where the
    statements differ in currency, every row has to state its own (`XXX`), and their balances say nothing.
    """
    found: dict[str, Account] = {}
    for account in listed:
        first = found.setdefault(account.external_id, account)
        if first is account:
            continue
        several = bool(first.currency and account.currency and _currency(first) != _currency(account))
        found[account.external_id] = replace(
            first,
            anchor=first.anchor or account.anchor,
            mask=first.mask or account.mask,
            institution_name=first.institution_name or account.institution_name,
            currency="XXX" if several else first.currency or account.currency,
            balance=None if several else first.balance or account.balance,
        )
    return list(found.values())


def match_accounts(listed: Sequence[Account], known: Sequence[KnownAccount]) -> list[AccountMatch]:
    """Match listed accounts with known ones, one-to-one, strongest evidence first.

    A former id that is listed beside the present one of its account makes no account of its own.
    """
    found: dict[str, int] = {}
    free = {row.id: row for row in known}
    same_anchor = partial(_same_anchor_under_known_id, known_ids={row.external_id for row in known})
    for same in (same_anchor, partial(_same_id_unless_exchanged, others=free.values()), _same_anchor):
        for account in listed:
            row = next((row for row in free.values() if same(account, row)), None)
            if account.external_id not in found and row is not None:
                found[account.external_id] = row.id
                del free[row.id]
    for account in listed:
        if account.external_id not in found:
            others = [other for other in listed if other.external_id not in found and other is not account]
            row = _only_one_alike(account, others, free.values()) or _left_by_exchange(account, found, known)
            if row is not None and row.id in free:
                found[account.external_id] = row.id
                del free[row.id]
    former = {old_id for row in known if row.id not in free for old_id in row.former_external_ids}
    kept = [account for account in listed if account.external_id in found or account.external_id not in former]
    return [AccountMatch(account=account, known_id=found.get(account.external_id)) for account in kept]


def _same_id(account: Account, row: KnownAccount) -> bool:
    return account.external_id == row.external_id and not (
        account.anchor and row.anchor and account.anchor != row.anchor
    )


def _same_anchor_under_known_id(account: Account, row: KnownAccount, *, known_ids: Collection[str]) -> bool:
    """Compare the anchor of an account that has the id of a stored one: an id that changed hands takes no row along."""
    return account.external_id in known_ids and _same_anchor(account, row)


def _same_id_unless_exchanged(account: Account, row: KnownAccount, *, others: Collection[KnownAccount]) -> bool:
    """Compare the id, unless one other stored account, so far without a listed one, has all that the bank shows."""
    if not _same_id(account, row) or not account.mask or row.mask in (None, account.mask):
        return _same_id(account, row)
    return sum(_visible_fields(account) == _stored_fields(other) for other in others) != 1


def _only_one_alike(account: Account, others: Iterable[Account], rows: Iterable[KnownAccount]) -> KnownAccount | None:
    """Return the one stored account that looks like a listed one, unless another listed one looks like it as well."""
    alike = [row for row in rows if _same_visible_fields(account, row)]
    rivals = any(_visible_fields(other) == _visible_fields(account) for other in others)
    return alike[0] if len(alike) == 1 and account.mask and not rivals else None


def _left_by_exchange(account: Account, found: Mapping[str, int], known: Sequence[KnownAccount]) -> KnownAccount | None:
    """Return the stored account whose id is now that of the one which had this id before."""
    had_it = next((row.id for row in known if row.external_id == account.external_id), None)
    has_now = next((external_id for external_id, id_ in found.items() if id_ == had_it), None)
    left = next((row for row in known if row.external_id == has_now), None)
    return None if left is None or (account.anchor and left.anchor) else left


def _same_anchor(account: Account, row: KnownAccount) -> bool:
    """Compare the anchor; one IBAN may hold an account per currency."""
    code = _currency(account)
    one_currency = code is None or row.currency is None or code == row.currency
    return account.anchor is not None and account.anchor == row.anchor and one_currency


def with_own_anchors(listed: Sequence[Account], known: Sequence[KnownAccount]) -> tuple[list[Account], dict[str, str]]:
    """Take the anchor from accounts that share one with another listed account, known ones keep it first.

    Returns the accounts, and for each that lost its anchor the listed account that has it: they may be one.
    """
    known_ids = {row.external_id for row in known}
    owners: dict[tuple[str, str | None], str] = {}
    for account in sorted(listed, key=lambda account: account.external_id not in known_ids):
        if account.anchor is not None:
            owners.setdefault((account.anchor, _currency(account)), account.external_id)
    doubtful = {
        account.external_id: owner
        for account in listed
        if account.anchor is not None and (owner := owners[account.anchor, _currency(account)]) != account.external_id
    }
    return [replace(a, anchor=None) if a.external_id in doubtful else a for a in listed], doubtful


def _visible_fields(account: Account) -> tuple[object, ...]:
    return (
        account.name, account.mask, account.currency, str(account.account_type), account.institution_name,
    )  # fmt: skip


def _same_visible_fields(account: Account, row: KnownAccount) -> bool:
    if account.anchor and row.anchor:
        return False
    return _visible_fields(account) == _stored_fields(row)


def _stored_fields(row: KnownAccount) -> tuple[object, ...]:
    return row.name, row.mask, row.currency, row.account_type, row.institution_name


def _currency(account: Account) -> str | None:
    code = (account.currency or "").strip().upper()
    return code if is_currency(code) else None
