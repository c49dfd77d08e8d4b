"""What holds a manifest to the text of its samples: each way to write it wrongly is caught by its own check."""

from pathlib import Path

import pytest

from worker.connectors.manifest.checking.findings import written
from worker.connectors.manifest.checking.run import OWN_CHECKS, run_checks
from worker.connectors.manifest.loading import ManifestError, parse_manifest, shipped, skeleton

OTHERS = Path(__file__).parent / "others"
MEANINGS, NAMED, PAGES, WINDOWS, ERRORS, ENOUGH = (
    "samples_mean_what_they_state",
    "samples_show_what_the_manifest_names",
    "pages_are_turned_as_shown",
    "windows_are_asked_for_as_shown",
    "errors_are_what_they_state",
    "samples_show_enough",
)

FIELDS = "\n\n[transactions.fields]"
LINKS = 'paging = { kind = "link", next = "links.next" }' + FIELDS
DIRECTED = 'out_when = { side = ["debit"] }, in_when = { side = ["credit"] }'
SETTLED = 'settled_at_from = "{from}", settled_at_to = "{to}"'

BROKEN = [
    ("qonto", DIRECTED, 'out_when = { side = ["credit"] }, in_when = { side = ["debit"] }', MEANINGS),
    ("qonto", 'timezone = "Europe/Paris"', 'timezone = "America/New_York"', MEANINGS),
    ("qonto", 'unit = "minor", out_when', "out_when", MEANINGS),
    ("qonto", 'pending = ["pending"]', 'otherwise = "posted"', MEANINGS),
    ("qonto", 'id = "id"\namount', 'id = "transaction_id"\namount', MEANINGS),
    ("qonto", 'booked = { path = "balance_cents", unit = "minor" }', 'booked = "balance_cents"', MEANINGS),
    ("qonto", SETTLED, 'settled_at_from = "{to}", settled_at_to = "{from}"', WINDOWS),
    ("qonto", 'format = "moment_ms" }', 'format = "moment_ms", to = "exclusive" }', WINDOWS),
    ("qonto", 'format = "moment_ms" }', 'format = "day" }', WINDOWS),
    ("qonto", 'param = "page"', 'param = "pg"', WINDOWS),
    ("qonto", 'next = "meta.next_page"', 'next = "meta.current_page"', PAGES),
    ("qonto", 'next = "meta.next_page"', 'next = "meta.next"', NAMED),
    ("qonto", 'description = "label"', 'description = "labl"', NAMED),
    ("qonto", "[[errors]]\n", '[[errors]]\ntext = "settled_at"\nmeans = "bank_down"\n[[errors]]\n', ERRORS),
    ("qonto", 'status = [401]\nmeans = "wrong_login"', 'status = [401]\nmeans = "revoked"', ERRORS),
    ("increase", 'booked = { path = "current_balance"', 'booked = { path = "available_balance"', MEANINGS),
    ("increase", ', to = "exclusive" }', ', from = "exclusive", to = "exclusive" }', WINDOWS),
    ("tink", 'decimals_at = "amount.value.scale"', "decimals = 2", MEANINGS),
    ("tink", 'booking_on = "dates.booked"', 'booking_on = "dates.bookd"', MEANINGS),
    ("ynab", "removed_when = { deleted = [true] }", "removed_when = { deleted = ['yes'] }", MEANINGS),
    ("ynab", 'next = "data.server_knowledge"', 'next = "data.knowledge"', NAMED),
    ("ynab", 'records = ["data.transactions"]', 'records = ["data.changed"]', NAMED),
    ("ynab", 'since_date = "{from}"', 'since_date = "{to}"', WINDOWS),
    ("revolut", 'id = "leg_id"', 'id = "@record.id"', MEANINGS),
    ("revolut", 'booking_at = "@record.completed_at"', 'booking_at = "@record.created_at"', MEANINGS),
    ("revolut", 'moves = "to"', 'moves = "from"', PAGES),
    ("revolut", 'url = "/auth/token"', 'url = "/auth/token"\ntoken = "token"', NAMED),
    ("stripefc", 'more = "has_more"', 'more = "more"', PAGES),
    ("investec", 'pages = "meta.totalPages"', 'total = "meta.totalPages"', PAGES),
    ("up", LINKS, FIELDS, PAGES),
    ("up", LINKS, 'paging = { kind = "token", next = "links.next", param = "page" }' + FIELDS, PAGES),
    ("paypal", 'records_only = "Y"', 'records_only = "N"', WINDOWS),
    ("paypal", 'kind = "page", param', 'kind = "page", start = 0, param', WINDOWS),
    ("paypal", 'pages = "total_pages"', "short_page_ends = 500", PAGES),
    ("paypal", 'fee = "transaction_info.fee_amount.value"\n', "", MEANINGS),
    ("brex", 'unit = "minor", sign = "flipped" }      #', 'unit = "minor" } #', MEANINGS),
    ("truelayer", 'current", sign = "flipped"', 'current"', MEANINGS),
    ("truelayer", 'of = ["cards", "pending"', 'of = ["pending"', ERRORS),
    ("mercury", 'total = "total"', 'total = "count"', NAMED),
    ("qonto", 'kind = "iban", path = "iban"', 'kind = "id", path = "currency"', MEANINGS),
    ("tink", 'path = "identifiers.iban.iban"', 'path = "identifiers.iban.bban"', MEANINGS),
    ("pocketsmith", 'balance_after = "closing_balance"', 'balance_after = "amount"', MEANINGS),
    ("pocketsmith", '{ true = "transfer" }', '{ true = "income" }', MEANINGS),
    ("mx", 'format = "day", to = "exclusive"', 'format = "day"', WINDOWS),
    ("mx", 'flipped_when = { type = ["CREDIT_CARD", ', "flipped_when = { type = [", MEANINGS),
    ("up", 'event = "data.attributes.eventType"', 'event = "data.eventType"', NAMED),
    ("up", 'refresh = ["TRANSACTION_CREATED", ', "refresh = [", NAMED),
    ("skeleton", "  { ignored = true },\n", "", ENOUGH),
    ("skeleton", 'next = "eyJwYWdlIjoyfQ"\nrows', "rows", PAGES),
]  # fmt: skip


def text_of(name):
    if name == "skeleton":
        return skeleton("skeleton")
    return shipped().get(name) or (OTHERS / f"{name}.toml").read_text()


def findings(text, *, notes=False):
    manifest = parse_manifest(text, "bank.toml")
    found = {}
    for name, find in OWN_CHECKS:
        said = written(manifest, find(manifest), notes=notes)
        if said:
            found[name] = said
    return found


@pytest.mark.parametrize(("name", "right", "wrong", "caught_by"), BROKEN)
def test_a_broken_manifest_is_caught_by_the_text_of_its_samples(name, right, wrong, caught_by):
    text = text_of(name)
    assert right in text
    found = findings(text.replace(right, wrong))
    assert caught_by in found, found


@pytest.mark.parametrize("name", ["skeleton", "up", "qonto", "increase", "ynab", "revolut", "tink"])
def test_a_right_manifest_passes(name):
    assert findings(text_of(name)) == {}


def test_a_finding_names_file_line_sample_and_row():
    text = text_of("skeleton").replace('amount = "-60.00"', 'amount = "-61.00"')
    (said,) = findings(text)[MEANINGS]
    line = next(at for at, one in enumerate(text.splitlines(), start=1) if '"-61.00"' in one)
    assert said == f"bank.toml:{line}: sample 2 (transactions), row 3: amount is -60.00, stated is -61.00"


def test_what_no_sample_shows_is_a_note_and_fails_nothing():
    text = text_of("skeleton").replace('counterparty = "party.name"', 'counterparty = "party.name"\nreference = "ref"')
    assert findings(text) == {}
    assert findings(text, notes=True)[NAMED] == (
        "bank.toml:66: transactions.fields.reference: no sample shows a value at 'ref'",
    )


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('GIRO = "checking"', 'GIRO = "current"', "accounts.fields.type: 'current' is none of checking, savings"),
        (
            'counterparty = "party.name"',
            'kind = "direction"',
            "transactions.fields.kind: name with choices which value",
        ),
        ('currency = "EUR", balance', "balance", "samples.1.accounts.1: a balance needs its currency beside it"),
        ("days = [2026-10-01", "dais = [2026-10-01", "samples.2.dais: there is no such key"),
        ("days = [2026-10-01, 2026-10-31]", "days = [2026-10-31, 2026-10-01]", "days are the first and the last one"),
        ("days = [2026-10-01, 2026-10-31]\n", "", "samples.2: asked and days belong together"),
        ('id = "id"\namount', 'id = "id"\npending_id = "id"\namount', "is the row's own id"),
        ('format = "day", from', 'format = "moment", zone = "UTC", from', "a moment is the same in every zone"),
        ('id = "id"\namount', 'id = "@record.id"\namount', "only a request with `each` reads the record around"),
        ('id = "id"\namount', 'id = "@parent.id"\namount', "nothing of that name is kept of parents"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(right, wrong, said):
    text = text_of("skeleton")
    assert right in text
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text.replace(right, wrong), "bank.toml")
    (line,) = [one for one in str(caught.value).splitlines() if said in one]
    assert line.startswith("bank.toml:")


def test_a_link_to_a_pending_row_is_compared_where_a_sample_states_it():
    text = text_of("skeleton").replace('"id": "t-1",', '"id": "t-1", "was": "p-7", "seen": "s-1",')
    text = text.replace('counterparty = "party.name"', 'counterparty = "party.name"\npending_id = "was"')
    (unstated,) = findings(text, notes=True)[NAMED]
    assert unstated.endswith("pending_id: no row of a sample states pending_id, so that nothing compares what is read")
    stated = text.replace('{ id = "t-1", amount', '{ id = "t-1", pending_id = "p-7", amount')
    assert findings(stated) == {}
    assert NAMED not in findings(stated, notes=True)
    (said,) = findings(stated.replace('pending_id = "was"', 'pending_id = "seen"'))[MEANINGS]
    assert said.endswith("row 1: pending_id is s-1, stated is p-7")


def test_two_accounts_of_one_currency_cannot_have_one_anchor():
    text = text_of("skeleton")
    account = text[text.index('{"id": "acc-1"') : text.index("]}\n'''\naccounts")]
    stated = text[text.index('{ id = "acc-1"') : text.index('013000" }]') + len('013000" }')]
    text = text.replace(account, f"{account}, {account.replace('acc-1', 'acc-2')}")
    text = text.replace(stated, f"{stated}, {stated.replace('acc-1', 'acc-2')}")
    (said,) = findings(text)[MEANINGS]
    assert said.endswith(
        "account 2: anchor is DE89370400440532013000, as that of account 1: both would be the same account"
    )
    assert (
        findings(
            text.replace(
                '"acc-2", "name": "Everyday", "kind": "GIRO", "currency": "EUR"',
                '"acc-2", "name": "Everyday", "kind": "GIRO", "currency": "USD"',
            ).replace(
                'id = "acc-2", name = "Everyday", currency = "EUR"', 'id = "acc-2", name = "Everyday", currency = "USD"'
            )
        )
        == {}
    )


def test_an_error_that_is_taken_for_another_one_is_said_in_the_words_of_manifests():
    text = text_of("pocketsmith").replace('means = "revoked"', 'means = "unpaid"')
    (said,) = findings(text)[ERRORS]
    assert said.endswith("means revoked to a run, stated is unpaid: `[[errors]]` says what it means")


def test_samples_that_could_be_of_another_zone_are_a_note():
    text = text_of("mercury").replace('"2026-10-09T01:00:00.000Z"', '"2026-10-08T15:00:00.000Z"')
    assert findings(text_of("mercury"), notes=True).get(MEANINGS) is None
    (said,) = findings(text, notes=True)[MEANINGS]
    assert said.startswith("bank.toml:11: no row of a sample is of another day in UTC")


IN_A_HEADER = (
    'paging = { kind = "link_header" }\n[transactions.fields]',
    'paging = { kind = "header", header = "X-Next", param = "page" }\n[transactions.fields]',
)


@pytest.mark.parametrize(
    ("shown", "stated", "said"),
    [
        ("X-Next = 'c7'", "'c7'", None),
        ("X-Next = 'c7'", "'c8'", "`next` is stated otherwise than the header X-Next of the answer"),
        ("X-Other = 'c7'", "'c7'", "paging finds no further page in it (the header X-Next)"),
    ],
)
def test_a_token_of_the_next_page_in_a_header_is_compared_and_played(shown, stated, said):
    text = text_of("toshl").replace(*IN_A_HEADER)
    link = """Link = '<https://api.toshl.com/entries?page=1>; rel="next"'"""
    text = text.replace(f"headers = {{ {link} }}\nnext = true", f"headers = {{ {shown} }}\nnext = {stated}")
    if said is not None:
        assert said in findings(text)[PAGES][0]
        return
    outcomes = list(run_checks(parse_manifest(text, "bank.toml")))
    assert {one.check: one.problem for one in outcomes if one.problem} == {}
    assert next(one for one in outcomes if one.check == "every_page_is_read").skipped is None


def test_a_webhook_has_to_say_which_login_it_is_about():
    with pytest.raises(ManifestError, match=r"webhook\.connection_field: is missing"):
        parse_manifest(text_of("up").replace('connection_field = "webhook_id"\n', ""), "bank.toml")
