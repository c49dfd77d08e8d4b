"""What manifests can say beyond a list for each account: parts of records, parents, first days, ends, removals."""

import json
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import httpx2
import pytest

from worker.connectors.base import ConnectorContext, SyncState, Window
from worker.connectors.config import parse_config
from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.connector import make_connector
from worker.connectors.manifest.loading import ManifestError, parse_manifest

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FIRST, LAST = date(2026, 11, 1), date(2026, 11, 20)

BANK = """
manifest = 1
name = "bank"
title = "Bank"
version = "1"
timezone = "UTC"
base_url = "https://bank.test"
[config.key]
title = "Key"
secret = true
AUTH
[promises]
ids = "stable"
SCOPE
PARENTS
[accounts]
path = "ACCOUNTS"
[accounts.fields]
id = "id"
name = "id"
currency = "CURRENCY"
OPENED
[transactions]
path = "ROWS"
params = { from = "{from}", to = "{to}" }
EACH
[transactions.fields]
id = "id"
account = "account"
amount = AMOUNT
description = "text"
booking_on = "ON"
CHANGES
"""
SAID = {
    "AUTH": '[auth]\nkind = "bearer"\ntoken = "{key}"', "SCOPE": "", "PARENTS": "", "OPENED": "", "EACH": "",
    "ACCOUNTS": "/accounts", "ROWS": "/rows", "CURRENCY": "currency", "AMOUNT": '"amount"', "ON": "on", "CHANGES": "",
}  # fmt: skip
ACCOUNTS = [{"id": "a1", "currency": "EUR", "opened": "2026-11-10"}]
PARENTS = '[parents]\npath = "/users"\nkeep = { user = "id", currency = "currency" }\nwhere = { open = [true] }'


class Bank:
    """Answers by path, and remembers what was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        found = self.answers[request.url.path]
        return httpx2.Response(200, json=found(request) if callable(found) else found)

    def paths(self):
        return [request.url.path for request in self.asked]


def opened(bank, now=lambda: NOW, text=BANK, **said):
    for name, value in (SAID | said).items():
        text = text.replace(name, value)
    connector = make_connector(parse_manifest(text, "bank.toml"))
    http = httpx2.Client(transport=httpx2.MockTransport(bank))
    return connector(parse_config(connector, {"key": "k"}), ConnectorContext(http=http, now=now, timezone="UTC"))


def row(**more):
    return {"id": "t1", "account": "a1", "amount": "-1.50", "text": "Coffee", "on": "2026-11-12"} | more


def read(connector, account_id):
    return list(connector.get_transactions(account_id, FIRST, LAST))


def test_each_part_of_a_record_is_a_row_and_those_of_other_accounts_are_left_out():
    legs = [{"id": "l1", "account": "a1", "amount": "-5"}, {"id": "l2", "account": "a2", "amount": "5"}]
    record = {"id": "t1", "text": "Move", "on": "2026-11-12", "legs": legs}
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [record]})
    said = {"EACH": 'each = "legs"', "ON": "@record.on"}
    (page,) = read(opened(bank, **said), "a1")
    (found,) = page.transactions
    assert (found.external_id, str(found.amount), found.booking_on) == ("l1", "-5", date(2026, 11, 12))
    assert found.raw["@record"] == {"id": "t1", "text": "Move", "on": "2026-11-12"}


@pytest.mark.parametrize("legs", [None, "x", [1], {"id": "l1"}])
def test_a_record_without_parts_is_rejected_with_its_text(legs):
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [{"id": "t1", "on": "2026-11-12", "legs": legs}]})
    (page,) = read(opened(bank, EACH='each = "legs"', ON="@record.on"), "a1")
    assert page.transactions == ()
    assert json.loads(page.rejected[0].raw)["id"] == "t1"


def test_a_request_about_all_accounts_is_asked_for_each_open_parent():
    users = [{"id": "u1", "currency": "EUR", "open": True}, {"id": "u2", "currency": "CHF", "open": True}]
    answers = {"/users": [*users, {"id": "u3", "currency": "EUR", "open": False}]}
    for user, account in (("u1", "a1"), ("u2", "a2")):
        answers[f"/users/{user}/accounts"] = [{"id": account}]
        answers[f"/users/{user}/rows"] = [row(id=f"t-{user}", account=account)]
    bank = Bank(answers)
    connector = opened(
        bank, PARENTS=PARENTS, SCOPE='scope = "connection"', ACCOUNTS="/users/{parent.user}/accounts",
        ROWS="/users/{parent.user}/rows", CURRENCY="@parent.currency",
    )  # fmt: skip
    assert [(one.external_id, one.currency) for one in connector.list_accounts()] == [("a1", "EUR"), ("a2", "CHF")]
    rows = [one for page in read(connector, None) for one in page.transactions]
    assert [(one.external_id, one.currency) for one in rows] == [("t-u1", "EUR"), ("t-u2", "CHF")]
    assert bank.paths().count("/users") == 1


def test_no_day_before_an_account_was_opened_is_asked_for_and_those_days_are_covered():
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [row()]})
    pages = read(opened(bank, OPENED='opened_on = "opened"'), "a1")
    assert parse_qs(bank.asked[-1].url.query.decode())["from"] == ["2026-11-10"]
    assert [page.covers for page in pages] == [
        Window(from_on=FIRST, to_on=date(2026, 11, 9)),
        Window(from_on=date(2026, 11, 10), to_on=LAST),
    ]


@pytest.mark.parametrize(("scale", "value", "amount"), [("2", -150, "-1.50"), (0, "-150", "-150"), (-2, -1, "-100")])
def test_a_record_states_its_own_decimals(scale, value, amount):
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [row(amount=value, scale=scale)]})
    said = {"AMOUNT": '{ path = "amount", unit = "minor", decimals_at = "scale" }'}
    assert format(read(opened(bank, **said), "a1")[0].transactions[0].amount, "f") == amount


@pytest.mark.parametrize("scale", [None, "x", "1.5", 99])
def test_a_record_whose_decimals_are_no_number_is_rejected(scale):
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [row(amount=1, scale=scale)]})
    page = read(opened(bank, AMOUNT='{ path = "amount", unit = "minor", decimals_at = "scale" }'), "a1")[0]
    assert page.transactions == ()
    assert page.rejected[0].message.startswith("scale is no number")


KYIV = "20.11.2026 14:10"
TOKEN = """[auth]
kind = "token_request"
url = "/token"
form = { grant = "x" }
request_headers = { Authorization = "Basic {key}", Version = "3" }
"""


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ('expires_at = "ends"', {"ends": "2026-11-20T12:10:00Z"}),
        ('expires_at = { path = "ends", format = "unix_s" }', {"ends": int(NOW.timestamp()) + 600}),
        (
            'expires_at = { path = "ends", format = "%Y-%m-%d %H:%M", zone = "Europe/Kyiv" }',
            {"ends": "2026-11-20 14:10"},
        ),
        ("", {"expires_in": "600"}),
        ("lives_s = 600", {"expires_in": 0}),
    ],
)
def test_a_token_is_kept_until_it_ends_however_that_is_said(said, answer):
    moment = [NOW]
    bank = Bank({"/token": {"access_token": "t", **answer}, "/accounts": ACCOUNTS, "/rows": []})
    connector = opened(bank, now=lambda: moment[0], AUTH=TOKEN + said)
    for later_s, made in ((0, 1), (500, 1), (600, 2)):
        moment[0] = NOW + timedelta(seconds=later_s)
        read(connector, "a1")
        assert bank.paths().count("/token") == made
    assert (bank.asked[0].headers["authorization"], bank.asked[0].headers["version"]) == ("Basic k", "3")


def test_a_stated_end_that_is_no_moment_is_an_error():
    bank = Bank({"/token": {"access_token": "t", "ends": "soon"}, "/accounts": ACCOUNTS})
    with pytest.raises(InvalidDataError, match="ends is no moment"):
        read(opened(bank, AUTH=TOKEN + 'expires_at = "ends"'), "a1")


CHANGES = """
[changes]
path = "/changes"
records = ["rows"]
removed_when = { deleted = [true] }
param = "since"
next = "knowledge"
"""


def test_rows_that_are_gone_stand_among_those_that_changed_and_the_cursor_is_a_number():
    answer = {"rows": [row(amount="-2"), row(id="t2", deleted=True)], "knowledge": 103}
    bank = Bank({"/accounts": ACCOUNTS, "/changes": answer})
    connector = opened(bank, SCOPE='scope = "connection"', CHANGES=CHANGES)
    state = SyncState(account_id=None, cursor="100", window=Window(from_on=FIRST, to_on=LAST))
    (page,) = connector.refresh(state)
    assert [str(one.amount) for one in page.transactions] == ["-2"]
    assert [one.external_id for one in page.removed] == ["t2"]
    assert (page.next_cursor, parse_qs(bank.asked[-1].url.query.decode())["since"]) == ("103", ["100"])


@pytest.mark.parametrize(
    ("fee", "value", "amount"),
    [
        ('"fee"', "-0.49", "-1.99"),
        ('{ path = "fee", sign = "flipped" }', "0.49", "-1.99"),
        ('"fee"', "0.49", "-1.01"),
        ('"fee"', None, "-1.50"),
    ],
)
def test_a_fee_that_is_taken_in_addition_belongs_to_the_row(fee, value, amount):
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [row(fee=value)]})
    assert str(read(opened(bank, AMOUNT=f'"amount"\nfee = {fee}'), "a1")[0].transactions[0].amount) == amount


def test_a_fee_that_is_no_number_rejects_the_row():
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [row(fee="free")]})
    (page,) = read(opened(bank, AMOUNT='"amount"\nfee = "fee"'), "a1")
    assert (page.transactions, page.rejected[0].message) == ((), "fee is no number")


@pytest.mark.parametrize(("sides", "amount"), [(("a1", "b"), "-1.50"), (("b", "a1"), "1.50")])
def test_a_row_that_names_both_sides_goes_the_way_that_its_own_account_says(sides, amount):
    bank = Bank({"/accounts": ACCOUNTS, "/rows": [row(amount="1.50", payer=sides[0], payee=sides[1])]})
    said = '{ path = "amount", out_when = { payer = ["@account.id"] }, in_when = { payee = ["@account.id"] } }'
    (page,) = read(opened(bank, AMOUNT=said), "a1")
    assert str(page.transactions[0].amount) == amount


CARDS = """
[[accounts]]
name = "cards"
path = "/cards"
fields = { id = "id", name = "id", currency = "currency" }
"""
CARD_ROWS = """
[[transactions]]
name = "card_rows"
path = "/cards/{account}/rows"
only_for = { "@account.list" = ["cards"] }
like = "transactions"
[[errors]]
of = ["cards"]
when = { code = ["NO_CARDS"] }
means = "nothing"
"""


def with_cards():
    said = BANK.replace("[accounts]\n", "[[accounts]]\n").replace("[transactions]\n", CARDS + "[[transactions]]\n")
    return said.replace("EACH", 'only_for = { "@account.list" = ["accounts"] }').replace("CHANGES", CARD_ROWS)


def test_accounts_of_several_lists_are_each_asked_for_their_own_rows():
    rows = [row(id="c9", account="c1")]
    bank = Bank({"/accounts": ACCOUNTS, "/cards": [{"id": "c1", "currency": "EUR"}], "/rows": [row()]})
    bank.answers["/cards/c1/rows"] = rows
    connector = opened(bank, text=with_cards())
    assert [one.external_id for one in connector.list_accounts()] == ["a1", "c1"]
    assert [one.external_id for page in read(connector, "c1") for one in page.transactions] == ["c9"]
    assert [one.external_id for page in read(connector, "a1") for one in page.transactions] == ["t1"]


def test_a_list_that_this_bank_has_not_is_empty_and_any_other_error_of_it_is_an_error():
    bank = Bank({"/accounts": ACCOUNTS, "/cards": {"code": "NO_CARDS"}})
    assert [one.external_id for one in opened(bank, text=with_cards()).list_accounts()] == ["a1"]
    bank.answers["/cards"] = {"code": "BROKEN"}
    with pytest.raises(InvalidDataError):
        opened(bank, text=with_cards()).list_accounts()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('of = ["accounts", "cards"]\nwhen = { code = ["X"] }', "there would be no accounts at all"),
        ('of = ["cards"]\nstatus = [500]', "say of which requests, and by when or text"),
        ('when = { code = ["X"] }', "say of which requests, and by when or text"),
        ('of = ["cardz"]\nwhen = { code = ["X"] }', "there is no request 'cardz'"),
    ],
)
def test_an_error_cannot_mean_nothing_where_that_would_hide_rows(rule, said):
    named = with_cards().replace('of = ["cards"]\nwhen = { code = ["NO_CARDS"] }', rule)
    with pytest.raises(ManifestError, match=said):
        opened(Bank({}), text=named)


LINK = """
[link]
kind = "oauth2_code"
url = "https://bank.test/authorize"
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('linked_by = "browser"', 'linked_by = "token"', "a person is sent to the provider"),
        ("https://bank.test/authorize", "http://bank.test/authorize", "no https address"),
        ('by = "worker"', 'by = "operator"', 'the login brings it: by = "worker"'),
        ('kind = "oauth2_code"', 'kind = "oauth2_code"\nparams = { state = "x" }', "'state' is sent without a word"),
        ('kind = "oauth2_code"', 'kind = "oauth2_code"\nparams = { a = "{key}" }', "is a secret"),
        ('kind = "oauth2_code"', 'kind = "oauth2_code"\nparams = { a = "{nokey}" }', "names no config field"),
        ('[config.id]\nby = "operator"', "[config.id]", "no form is filled in"),
        ('refresh_token"\nurl', 'client_credentials"\nurl', "auth.refresh_token: there is no such key"),
    ],
)
def test_what_a_login_in_the_browser_lacks_is_said(right, wrong, said):
    auth = (
        '[config.id]\nby = "operator"\ntitle = "Id"\n[auth]\nkind = "oauth2_refresh_token"\nurl = "/token"\n'
        'client_id = "{id}"\nrefresh_token = "{key}"' + LINK
    )
    manifest = BANK.replace('version = "1"', 'version = "1"\nlinked_by = "browser"')
    manifest = manifest.replace("secret = true", 'secret = true\nby = "worker"').replace("AUTH", auth)
    for name, value in SAID.items():
        manifest = manifest.replace(name, value)
    parse_manifest(manifest, "bank.toml")
    with pytest.raises(ManifestError, match=said):
        parse_manifest(manifest.replace(right, wrong, 1), "bank.toml")


def paged(pages, paging, ids="stable", header=None):
    """A bank whose pages are asked for by number, and what is read of it."""

    def answer(request):
        number = int(parse_qs(request.url.query.decode()).get("page", ["1"])[0])
        more = {header: str(number + 1)} if header and number < len(pages) else {}
        body = {"rows": pages[number - 1] if number <= len(pages) else [], "total": str(sum(map(len, pages)))}
        return httpx2.Response(200, json=body, headers=more)

    bank = Bank({"/accounts": ACCOUNTS})
    said = BANK.replace('ids = "stable"', f'ids = "{ids}"')
    connector = opened(
        lambda request: answer(request) if request.url.path == "/rows" else bank(request),
        text=said, EACH=f'records = "rows"\npaging = {paging}',
    )  # fmt: skip
    return [one.external_id for page in read(connector, "a1") for one in page.transactions]


def test_the_token_of_the_next_page_stands_in_a_header_and_an_empty_page_is_passed_over():
    pages = [[row()], [], [row(id="t2")]]
    assert paged(pages, '{ kind = "header", header = "X-Next", param = "page" }', header="x-next") == ["t1", "t2"]


def test_a_number_of_records_that_is_written_as_text_counts():
    pages = [[row()], [row(id="t2")]]
    assert paged(pages, '{ kind = "page", param = "page", total = "total" }') == ["t1", "t2"]


@pytest.mark.parametrize(("ids", "read_ids"), [("stable", ["1", "2", "3"]), ("positional", ["1", "2", "2", "3"])])
def test_ids_that_are_counted_on_each_page_hide_no_row_of_the_next_one(ids, read_ids):
    pages = [[row(id="1"), row(id="2")], [row(id="2", text="Tea"), row(id="3", text="Cake")]]
    assert paged(pages, '{ kind = "page", param = "page" }', ids=ids) == read_ids
