"""Reads the account of an OFX statement from the tags around its transactions. Pure."""

from collections.abc import Mapping

from worker.connectors.base import Account, AccountType, IdClass
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, account_mask
from worker.connectors.file.statement.currencies import account_currency
from worker.connectors.file.statement.errors import StatementError

_ACCOUNT_TYPES = {
    "CHECKING": AccountType.CHECKING,
    "SAVINGS": AccountType.SAVINGS,
    "MONEYMRKT": AccountType.SAVINGS,
    "CD": AccountType.SAVINGS,
    "CREDITLINE": AccountType.CREDIT,
}


def ofx_account(
    facts: Mapping[str, str], signon: Mapping[str, str], *, kind: AccountType, line: int, currency: str | None
) -> Account:
    """Return the account of a statement.

    Args:
        facts: Tags of the statement outside of its transactions and balances.
        signon: Tags outside of the statement, such as the name of the bank.
        kind: Type of account that the statement's own tag implies.
        currency: Used where the statement's own is missing or not understood.

    Raises: StatementError when it has no number, or a currency that nobody understands.
    """
    number = facts.get("ACCTID")
    if not number:
        raise StatementError("the statement names no account (ACCTID)", line=line)
    anchor = account_anchor(number, facts.get("BANKID") or facts.get("BROKERID") or "")
    kind = _ACCOUNT_TYPES.get(facts.get("ACCTTYPE", "").upper(), kind)
    institution, mask = signon.get("ORG"), account_mask(number)
    stated = account_currency(facts.get("CURDEF"), currency, line)
    return Account(
        external_id=account_key(anchor, stated),
        name=" ".join(part for part in (institution, kind.value, mask) if part),
        anchor=anchor,
        mask=mask,
        account_type=kind,
        currency=stated,
        institution_name=institution,
        id_class=IdClass.STABLE,
    )
