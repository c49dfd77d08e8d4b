"""`connectors new`, `check` and `try`: from nothing to a connector that passes, and what is said when it does not."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest


@pytest.fixture
def written(command, tmp_path):
    assert command("connectors", "new", "acme_bank").code == 0
    return tmp_path / "acme_bank.toml"


def test_a_new_manifest_passes_every_check(command, written):
    answer = command("connectors", "check", written)
    assert (answer.code, "0 failed" in answer.out) == (0, True), answer.out


@pytest.mark.usefixtures("written")
def test_a_manifest_is_never_written_over(command):
    answer = command("connectors", "new", "acme_bank")
    assert (answer.code, "exists already" in answer.err) == (2, True)


@pytest.mark.parametrize("name", ["Acme", "1bank", "a-b", "../evil"])
def test_a_name_is_refused_that_no_connector_can_have(command, name):
    answer = command("connectors", "new", name)
    assert (answer.code, "small letters" in answer.err) == (2, True)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("status = 400\n", 'status = "no"\n', "acme_bank.toml:110: samples.3.status: must be a whole number"),
        ("window_days = 90", "window_day = 90", "acme_bank.toml:34: promises.window_day: there is no such key, did"),
        ('kind = "bearer"', 'kind = "bearers"', "acme_bank.toml:26: auth: kind is none of none, bearer, basic"),
        ("{account}/transactions", "{acct}/transactions", "transactions.path: {acct} names nothing that is known"),
        ("https://api.acme.test/v1", "http://api.acme.test/v1", "base_url: 'http://api.acme.test/v1' is no https"),
        ("[promises]\n", "[promises\n", "not valid TOML"),
        (
            '{"accounts": [{"id": "acc-1"',
            '{"accounts": [{"id": acc-1',
            "samples.1.answer: is not JSON: Expecting value",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_what_is_allowed(command, written, right, wrong, said):
    written.write_text(written.read_text().replace(right, wrong))
    answer = command("connectors", "check", written)
    assert answer.code == 2
    assert said in answer.err


def test_each_thing_that_is_wrong_has_a_line_of_its_own(command, written):
    wrong = (
        written.read_text().replace("status = 400\n", 'status = "no"\n').replace('kind = "bearer"', 'kind = "bearers"')
    )
    written.write_text(wrong)
    lines = command("connectors", "check", written).err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"error: {written}:") for line in lines)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('records = "transactions"', 'records = "data.items"', "transactions: data.items is missing"),
        (
            'of = "transactions"\nasked',
            'of = "accounts"\nasked',
            "sample 2 (accounts): accounts: accounts is missing",
        ),
        ("  { ignored = true },\n", "", "(transactions): the answer has 4 records, but rows states 3"),
    ],
)
def test_samples_that_show_too_little_are_said_before_anything_else(command, written, right, wrong, said):
    written.write_text(written.read_text().replace(right, wrong, 1))
    answer = command("connectors", "check", written)
    assert answer.code == 1
    assert said in answer.out
    assert "samples_show_enough" in answer.out
    assert answer.out.count("FAILED") == 1


def test_a_field_that_is_read_wrongly_fails_a_check_by_name(command, written):
    turned = written.read_text().replace('out_when = { direction = ["OUT"] }', 'out_when = { direction = ["IN"] }')
    written.write_text(turned.replace('in_when = { direction = ["IN"] }', 'in_when = { direction = ["OUT"] }'))
    answer = command("connectors", "check", written, "--json")
    failed = {one["check"] for one in json.loads(answer.out) if one["problem"]}
    assert failed == {"samples_mean_what_they_state", "amounts_keep_their_sign_and_decimals"}
    assert answer.code == 1


def record(**values):
    return {"currency": "EUR", "text": "COFFEE", "status": "BOOKED", "booked_on": "2026-10-07", **values}


ACCOUNT = {"id": "a", "name": "Everyday", "kind": "GIRO", "currency": "EUR", "iban": "DE1"}
ROWS = [record(id="1", amount="3.50", direction="OUT"), record(id="2", amount="9", direction="SIDEWAYS")]
ANSWERS = {
    "/v1/accounts": {"accounts": [ACCOUNT]},
    "/v1/accounts/a/transactions": {"transactions": ROWS, "next": None},
}


class _Acme(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers["Authorization"] == "Bearer real-token"
        body = json.dumps(ANSWERS.get(self.path.partition("?")[0], {}) if known else {}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def bank():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Acme)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_try_shows_rows_and_what_could_not_be_read_and_stores_nothing(command, written, bank, tmp_path):
    written.write_text(written.read_text().replace("https://api.acme.test/v1", bank))
    keys = tmp_path / "keys.json"
    keys.write_text('{"token": "real-token"}')
    answer = command("connectors", "try", written, "--config-file", keys)
    assert answer.code == 0, answer.err
    assert "2026-10-07  -3.50" in answer.out
    assert "a row could not be read: whether money went out or came in is not known" in answer.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme_bank.toml", "keys.json"]


def test_a_try_with_wrong_keys_says_so_without_repeating_them(command, written, bank):
    written.write_text(written.read_text().replace("https://api.acme.test/v1", bank))
    answer = command("connectors", "try", written, "--config", '{"token": "wrong-token"}')
    assert (answer.code, "does not let us in: credentials" in answer.err) == (2, True)
    assert "wrong-token" not in answer.err
