"""The check that keeps the fakes honest: what the providers publish passes, what drifts from it is seen."""

import pytest

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.provider_server import Asked, FakeProvider, Reply, serving
from tests.fakes.published import ENABLE_BANKING, GOCARDLESS, PLAID, Published

INVENTED = """
components:
  schemas:
    Page:
      type: object
      required: [has_more]
      properties: {has_more: {type: boolean}}
"""


def test_an_answer_that_is_not_as_published_fails_the_test_that_caused_it(tmp_path):
    (tmp_path / "invented.yml").write_text(INVENTED)

    class Drifting(FakeProvider):
        published = Published(str(tmp_path / "invented.yml"))

        def answer(self, _asked: Asked) -> Reply:
            return Reply({"accounts": []}, "Page")

    fake = Drifting()
    with pytest.raises(AssertionError, match="has_more"), serving(fake):
        fake.reply(Asked("POST", "/transactions/sync", {}, {}, {}))


def test_what_a_fake_refuses_is_told_too():
    fake = FakeProvider()
    with pytest.raises(AssertionError, match="NotImplementedError"), serving(fake):
        fake.reply(Asked("GET", "/x", {}, {}, None))


@pytest.mark.beside("openapi")
@pytest.mark.parametrize(
    ("published", "schema", "body", "where"),
    [
        (PLAID, "Transaction", plaid_server.transaction("t", 1.5) | {"amount": "1.5"}, "amount"),
        (
            ENABLE_BANKING,
            "Transaction",
            enablebanking_server.without_nulls(enablebanking_server.transaction("1.50", "BOTH")),
            "credit_debit_indicator",
        ),
        (
            ENABLE_BANKING,
            "Transaction",
            enablebanking_server.without_nulls(enablebanking_server.transaction("1,50", "DBIT")),
            "transaction_amount.amount",
        ),
        (GOCARDLESS, "TransactionSchema", {"bookingDate": "2026-11-10"}, "the whole"),
        (GOCARDLESS, "AccountTransactions", {"transactions": {"pending": []}}, "transactions"),
    ],
)
def test_each_description_tells_good_records_from_bad_ones(published, schema, body, where):
    (problem, *_) = published.problems(Reply(body, schema))
    assert problem.startswith(f"{where}:")


@pytest.mark.beside("openapi")
@pytest.mark.parametrize(
    ("published", "schema", "body"),
    [
        (PLAID, "Transaction", plaid_server.transaction("t", 1.5)),
        (
            ENABLE_BANKING,
            "Transaction",
            enablebanking_server.without_nulls(enablebanking_server.transaction("1.50", "DBIT")),
        ),
        (GOCARDLESS, "TransactionSchema", gocardless_server.transaction("-1.50")),
    ],
)
def test_the_fakes_records_are_as_published(published, schema, body):
    assert published.problems(Reply(body, schema)) == []


@pytest.mark.beside(PLAID.name)
def test_plaids_own_examples_are_read_whole():
    answers = PLAID.document["paths"]["/transactions/sync"]["post"]["responses"]["200"]["content"]
    example = answers["application/json"]["examples"]["example-1"]["value"]
    assert PLAID.problems(Reply(example, "TransactionsSyncResponse")) == []
