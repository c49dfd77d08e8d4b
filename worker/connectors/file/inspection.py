"""Builds the report on statement files as plain data, for `files inspect` and the API. Pure."""

from collections.abc import Mapping
from typing import Any

from worker.connectors.base import IdClass
from worker.connectors.file.folder import Folder
from worker.connectors.file.indexed_files import IndexedFile
from worker.connectors.file.reused_ids import IdDoubt
from worker.connectors.file.statement.accounting import Accounted, Part
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import StatedBalance
from worker.connectors.file.summary import AccountSummary

Report = dict[str, Any]


def report(folder: Folder) -> Report:
    """Return the report on a path as plain data: files that can be read, and files that are refused with the reason."""
    return {
        "files": [_file(file, folder.distrusted) for file in folder.files],
        "refused": [_refusal(error) for error in folder.refused],
        "duplicates": [{"file": name, "same_as": first} for name, first in folder.duplicates.items()],
        "waiting": [{"account": key, "entries": number} for key, number in folder.waiting(None).items()],
        "unused_details": [{"reason": why, "entries": number} for why, number in folder.unused_details(None).items()],
    }


def _refusal(error: StatementError) -> Report:
    questions = [one.as_report() for one in error.doubts]
    return {"file": error.file, "line": error.line, "reason": error.reason, "questions": questions}


def _file(file: IndexedFile, distrusted: Mapping[str, IdDoubt]) -> Report:
    understood, counted, table = file.understood, file.summary, file.understood.table
    return {
        "file": understood.member.name,
        "format": understood.format.value,
        "encoding": understood.encoding.name,
        "profile": table.layout.profile.name if table else None,
        "confidence": understood.confidence,
        "delimiter": table.layout.delimiter if table else None,
        "header_line": table.layout.header_line if table else None,
        "date_order": table.decisions.order if table else None,
        "decimal": table.decisions.mark if table else None,
        "columns": _columns(file) if table else None,
        "unused_columns": list(table.decisions.unused) if table else None,
        "accounts": [_account(one, distrusted.get(key)) for key, one in counted.accounts.items()],
        "left_out": counted.skipped,
        "warnings": list(counted.notes),
        "accounted": _accounted(counted.accounted),
        "remark_count": counted.remark_count,
        "remarks": [{"line": one.line, "reason": one.reason, "text": one.raw} for one in counted.remarks],
        "rejected_count": counted.bad_count,
        "rejected": [{"line": row.line, "reason": row.reason} for row in counted.bad_rows],
    }


def _columns(file: IndexedFile) -> Report:
    """Return which column is read as what: the part of a guess that a person checks first."""
    profile = file.understood.profile
    roles = ("date", "value_date", "transaction_date", "amount", "debit", "credit", "type", "fee", "balance")
    more = ("currency_column", "description", "counterparty", "counterparty_account", "account", "reference", "id")
    stated = {role: getattr(profile, role) for role in (*roles, *more)}
    return {role: list(name) if isinstance(name, tuple) else name for role, name in stated.items() if name}


def _account(one: AccountSummary, doubt: IdDoubt | None) -> Report:
    account = one.account
    return {
        "id": account.external_id,
        "name": account.name,
        "mask": account.mask,
        "type": account.account_type.value,
        "currency": account.currency,
        "known_by": account.anchor.partition(":")[0] if account.anchor else None,
        "statements": one.statements,
        "first_on": one.first_on,
        "last_on": one.last_on,
        "rows": one.rows,
        "pending": one.pending,
        "rejected": one.rejected,
        "money_in": one.sum_in,
        "money_out": one.sum_out,
        "opening": _balance(one.opening),
        "closing": _balance(one.closing),
        "available": _balance(one.available),
        "adds_up": one.proof.value,
        "off_by": one.off_by,
        "imbalances": [{"on": each.on, "amount": each.amount, "reason": each.reason} for each in one.imbalances],
        "covers": [{"from": period.from_on, "to": period.to_on} for period in one.periods],
        "ids": _ids(one, doubt),
    }


def _ids(one: AccountSummary, doubt: IdDoubt | None) -> str:
    if doubt is not None:
        return f"not used: {doubt}"
    return (one.account.id_class or IdClass.NONE).value


def _accounted(accounted: Accounted | None) -> Report | None:
    """Return how many pieces the file has and what they were used as."""
    if accounted is None:
        return None
    used = {part.value: accounted.parts.get(part, 0) for part in Part}
    return {"unit": accounted.unit, "total": accounted.total, **used}


def _balance(stated: StatedBalance | None) -> Report | None:
    return None if stated is None else {"amount": stated.amount, "currency": stated.currency, "on": stated.on}
