"""One transaction of an MT940 or MT942 file: a `:61:` with the texts that follow; `mt940` reads their sub-fields."""

import logging
import re
from datetime import date
from decimal import Decimal
from typing import Any

import mt940
from mt940.tags import StatementASNB, StatementGLS, Tag

from worker.connectors.base import Account, Transaction
from worker.connectors.file.statement.account_numbers import find_iban
from worker.connectors.file.statement.events import Event, Row
from worker.connectors.file.statement.reader import bad_row
from worker.connectors.file.swift.fields import LOST_LINE, SwiftField
from worker.connectors.file.swift.line_heads import line_head
from worker.connectors.file.swift.structured_texts import StructuredText, structured_text, with_question_marks

_DIALECTS: tuple[dict[int | str, Tag], ...] = ({}, {61: StatementASNB()}, {61: StatementGLS()})
_OPTIONS = mt940.Options.all()
logging.getLogger("mt940").setLevel(logging.CRITICAL + 1)  # it logs the lines it cannot read: account data
_CODE = re.compile(r"\d{3}")
_NO_REFERENCE = {
    "NONREF",
    "NOTPROVIDED",
    "NOREF",
    "EREF",
    "EREF+",
    "KREF",
    "KREF+",
    "MREF",
    "MREF+",
    "PREF",
    "PREF+",
    "N",
    "",
}
_TEXT_KEYS = ("purpose", "additional_purpose", "transaction_details", "extra_details", "non_swift_text", "posting_text")
_NO_FORM = "field :61: fits no known form (date, C or D, amount, type)"


def read_group(group: list[SwiftField], account: Account, *, pending: bool) -> Event:
    """Return the row of a `:61:` and its texts, or why it cannot be read."""
    raw = _raw(group)
    first = group[0]
    if first.tag == LOST_LINE:
        return bad_row(first.line, "looks like a :61: whose tag is damaged", raw, account)
    try:
        head = line_head(first.text)
    except ValueError as error:
        return bad_row(first.line, f"field :61: {error}", raw, account)
    data = _details(group, head.plain) if head is not None else None
    if head is None or data is None:
        return bad_row(first.line, _NO_FORM, raw, account)
    return Row(line=first.line, transaction=_transaction(account, head.amount, data, group, pending=pending))


def _raw(group: list[SwiftField]) -> str:
    return "\n".join(f":{one.tag}:{one.text}" for one in group)


def _details(group: list[SwiftField], plain: str) -> dict[str, Any] | None:
    """Return the library's reading of one transaction in the first dialect that fits; None where none does."""
    texts = "\n".join(f":{one.tag}:{with_question_marks(one.text)}" for one in _without_codes(group[1:]))
    for tags in _DIALECTS:
        # not mt940.parse: it takes a text that happens to be a path for the file of that name
        read = mt940.models.Transactions(tags=tags, options=_OPTIONS)
        try:
            read.parse(f":61:{plain}\n{texts}".rstrip())
        except (RuntimeError, ValueError, ArithmeticError, KeyError, TypeError):
            found = []
        else:
            found = [dict(one.data) for one in read.transactions]
        # its objects refer to one another, and an import collects no cycles: they would stay until its end
        read.transactions.clear()
        if len(found) == 1 and "amount" in found[0]:
            return found[0]
    return None


def _without_codes(fields: list[SwiftField]) -> list[SwiftField]:
    """Leave out a field that holds the code of the next one alone."""
    codes = [one.text.strip() if _CODE.fullmatch(one.text.strip()) else None for one in fields]
    return [
        one
        for one, code, following in zip(fields, codes, [*fields, None][1:], strict=False)
        if code is None or following is None or not following.text.startswith(code)
    ]


def _plain_day(value: Any) -> date | None:  # noqa: ANN401 - the library's own model
    return date(value.year, value.month, value.day) if value is not None else None


def _transaction(
    account: Account, amount: Decimal, data: dict[str, Any], group: list[SwiftField], *, pending: bool
) -> Transaction:
    value_on = _plain_day(data.get("date"))
    texts = "\n".join(one.text for one in group if one.tag == "86")
    told = structured_text(texts) or StructuredText()
    name = told.name or _joined(data.get("applicant_name"))
    references = told.reference, data.get("end_to_end_reference"), data.get("customer_reference")
    reference = next((text for one in references if (text := _joined(one)) and _is_reference(text)), None)
    account_there = told.account or data.get("applicant_iban") or data.get("gvc_applicant_iban")
    return Transaction(
        account_id=account.external_id,
        amount=amount,
        currency=account.currency,
        description=told.text or _description(data) or name or _joined(texts) or "",
        pending=pending,
        booking_on=_plain_day(data.get("guessed_entry_date") or data.get("entry_date")) or value_on,
        value_on=value_on,
        counterparty=name,
        counterparty_account=_joined(account_there or (find_iban(group[0].text) if told.text or name else None)),
        reference=reference,
        raw={"text": _raw(group), "bank_reference": data.get("bank_reference"), "type": data.get("id")},
    )


def _is_reference(text: str) -> bool:
    plain = text.upper().replace(" ", "")
    return plain not in _NO_REFERENCE


def _joined(value: object) -> str | None:
    return " ".join(str(value).split()) or None if value else None


def _description(data: dict[str, Any]) -> str | None:
    """Return the purpose of a structured `:86:`, else its whole text, else what stands behind the `:61:`."""
    return next((text for key in _TEXT_KEYS if (text := _joined(data.get(key)))), None)
