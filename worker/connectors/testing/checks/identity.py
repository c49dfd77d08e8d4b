"""Checks that ids behave as their declared class, and that deliveries agree with each other."""

from collections import Counter
from dataclasses import replace

from worker.connectors.base import IdClass, Transaction
from worker.connectors.testing.check import TRUSTED, check, expect, trusted_ids, truth
from worker.connectors.testing.scenes import usual
from worker.connectors.testing.subject import Subject, rows_of


@check()
def ids_are_the_same_in_every_delivery(subject: Subject) -> None:
    usual(subject)
    first, second = (Counter((row.account_id, row.external_id) for row in subject.rows()) for _ in range(2))
    id_class = subject.capabilities.id_class
    if id_class is IdClass.NONE:
        expect(all(found is None for _, found in first), "ids are declared as none, so external_id must stay None")
    if id_class in TRUSTED:
        expect(all(found for _, found in first), f"ids are declared as {id_class}, but a row has none")
        expect(first == second, f"ids are declared as {id_class}, but two deliveries of the same rows differ")


@check()
def rows_are_the_same_in_every_delivery(subject: Subject) -> None:
    usual(subject)
    first, second = (sorted(map(_without_id, subject.rows()), key=repr) for _ in range(2))
    changed = [(one, other) for one, other in zip(first, second, strict=False) if one != other]
    expect(len(first) == len(second) and not changed, f"two deliveries of the same rows differ: {changed[:1]}")


@check(truth, trusted_ids)
def ids_do_not_depend_on_the_order(subject: Subject) -> None:
    usual(subject)
    before = {_content(row): row.external_id for row in subject.rows()}
    if before != {_content(row): row.external_id for row in subject.rows()}:
        return  # another check is about that
    subject.ledger.book(-3_131, subject.day(26))
    subject.ledger.reorder()
    after = {_content(row): row.external_id for row in subject.rows()}
    moved = [old for content, old in before.items() if content in after and after[content] != old]
    expect(not moved, f"ids changed when the bank listed its rows in another order: {moved[:3]}")


@check(trusted_ids)
def ids_are_unique_in_an_account(subject: Subject) -> None:
    for _ in range(2):
        subject.ledger.book(-350, subject.day(14), text="Coffee")
    counted = Counter((row.account_id, row.external_id) for row in subject.rows())
    twice = [external_id for (_, external_id), count in counted.items() if count > 1]
    expect(not twice, f"one id for several rows, so all but one would be lost: {twice[:3]}")


@check(truth)
def a_row_without_an_id_is_no_defect(subject: Subject) -> None:
    for ago in (14, 13):
        subject.ledger.book(-350, subject.day(ago), nameless=True)
    pages = subject.read()
    rows, rejected = rows_of(pages), [row for page in pages for row in page.rejected]
    expect(len(rows) == 2 and not rejected, f"two rows without an id: {len(rows)} delivered, {len(rejected)} rejected")  # noqa: PLR2004
    blank = [row.external_id for row in rows if row.external_id is not None and not row.external_id.strip()]
    expect(not blank, "a blank id is no id: external_id must be None, then the importer goes by the content")
    ids = [row.external_id for row in rows if row.external_id]
    expect(len(ids) == len(set(ids)), f"rows without an id were given the same one: {ids}")


def _content(row: Transaction) -> tuple[object, ...]:
    return row.account_id, row.amount, row.booking_on or row.booking_at


def _without_id(row: Transaction) -> Transaction:
    return replace(row, external_id=None, raw=None)
