"""Every ordered pair of seven kinds of source, imported: a question writes nothing, one purchase is one expense.

Files are real OFX, CAMT and CSV files, read by the connector for files.
"""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from tests.bank_accounts.histories import FIRST, LAST, OVERLAPS, PAIRS, SEAM, Stated, told_first, two_sources
from tests.bank_accounts.statements import FILES
from tests.file.reader import connector
from tests.importer.bank import Harness
from worker.importer.actions.suggestions import accept, list_suggestions

TODAY = FIRST + timedelta(days=LAST + 10)


class StatedHarness(Harness):
    """A connection to a source, online or a folder with a statement file."""

    def __init__(self, sessions, user_id, stated: Stated, folder):
        super().__init__(sessions, user_id)
        self.bank.today = TODAY
        self.bank.accounts = [stated.kind.account]
        self.bank.rows = list(stated.rows)
        if stated.kind.file is not None:
            folder.mkdir()
            (folder / f"statement.{stated.kind.file}").write_text(FILES[stated.kind.file](stated))
            self.connector = lambda: connector(folder, account={"currency": "EUR"})


def tell_the_end(harness, stated):
    """Let a source that is read correct, take back and book what it told first, and the days of grace pass."""
    if stated.kind.file is None:
        harness.bank.rows = list(stated.rows)
        harness.refresh()
        harness.day_later(8)
        harness.refresh()


@pytest.mark.parametrize(("number", "pair"), list(enumerate(PAIRS)), ids=["-".join(pair) for pair in PAIRS])
def test_two_sources_of_one_account_make_each_purchase_one_expense(sessions, user_id, tmp_path, number, pair):
    """Of every second pair, the old source corrects, takes back and books its last rows after the new one is there."""
    overlap, ends_late = OVERLAPS[number % len(OVERLAPS)], number % 2
    old, new = two_sources(*pair, overlap, Random(number))
    told = told_first(pair[0], Random(number))
    first = StatedHarness(sessions, user_id, told, tmp_path / "old")
    second = StatedHarness(sessions, user_id, new, tmp_path / "new")
    first.bank.today = FIRST + timedelta(days=SEAM)
    first.refresh()
    assert len(first.amounts()) == len(told.rows)
    if not ends_late:
        tell_the_end(first, old)
        assert len(first.amounts()) == len(old.rows)
    alone = Counter(first.amounts())
    second.refresh()
    with sessions() as session:
        questions = [one for one in list_suggestions(session, user_id) if one.kind == "account"]
        for question in questions:
            assert question.other["evidence"]
            accept(session, question.id, user_id=user_id)
    if questions:
        assert Counter(first.amounts()) == alone, "nothing of it reaches expenses before the answer"
    if ends_late:
        tell_the_end(first, old)
    for _ in range(2):
        second.refresh()
        first.refresh()
    purchases = {purchase.number: purchase.amount for purchase in [*old.purchases, *new.purchases]}
    truth = Counter(str(amount) for amount in purchases.values())
    found = Counter(first.amounts())
    assert not truth - found, "a purchase was swallowed"
    with sessions() as session:
        asked = Counter(str(question.bank["amount"]) for question in list_suggestions(session, user_id))
    assert not found - truth - asked, "a purchase is doubled, and nobody was asked"
    assert overlap < 90 or not asked


def test_nothing_of_two_persons_is_joined(sessions, user_id, tmp_path):
    old, new = two_sources("camt", "camt", 90, Random(1))
    ours = StatedHarness(sessions, user_id, old, tmp_path / "old")
    ours.refresh()
    (other_id,) = ours.sql("INSERT INTO users (email, password_hash) VALUES ('b@example.test', 'x') RETURNING id")[0]
    theirs = StatedHarness(sessions, other_id, new, tmp_path / "new")
    theirs.refresh()
    assert len(theirs.amounts()) == len(new.rows)
    assert ours.sql("SELECT count(DISTINCT user_id), count(*) FROM bank_accounts") == [(2, 2)]


def test_a_source_is_asked_about_with_its_evidence_in_words_and_numbers(sessions, user_id, tmp_path):
    old, new = two_sources("simplefin", "plaid", 90, Random(2))
    changed = replace(new.kind.account, mask="9999", name="Card")
    ours = StatedHarness(sessions, user_id, old, tmp_path / "old")
    theirs = StatedHarness(sessions, user_id, new, tmp_path / "new")
    theirs.bank.accounts = [changed]
    theirs.bank.rows[3] = replace(theirs.bank.rows[3], amount=Decimal("-1.23"))
    ours.refresh()
    assert theirs.refresh().code == "similar_account"
    with sessions() as session:
        (question,) = list_suggestions(session, user_id)
    sentences = question.other["evidence"]
    assert "rows of" in sentences[0]
    assert sentences[1] == "the last digits differ (9999, 2051)"
