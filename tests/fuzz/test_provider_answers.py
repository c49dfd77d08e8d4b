"""Whatever JSON a bank answers: a connector reads it or says what is wrong with it, in errors that the importer knows.

The names in the answers are those that a connector's own code looks for, so that what lies behind them is reached.
"""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import fuzzed
from worker.connectors.base import ConnectorContext, Scope, SyncState, Window
from worker.connectors.errors import ConnectorError
from worker.connectors.registry import ConnectorRegistry

ROOT = Path(__file__).parents[2] / "worker" / "connectors"
NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
WINDOW = Window(from_on=date(2026, 1, 1), to_on=date(2026, 3, 15))
NOT_JSON = re.compile(r"\b(NaN|Infinity)\b")
BANKS = {
    "simplefin": {"access_url": "https://user:password@bank.test/simplefin"},
    "plaid": {"client_id": "c", "secret": "s", "access_token": "access-x", "item_id": "item-1"},
    "gocardless": {"secret_id": "i", "secret_key": "k", "requisition_id": "0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11"},
}
ODD_TEXTS = ["", " ", "2026-03-01", "2026-03-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31", "-5.00", "1e999"]
ODD_TEXTS += [
    "NaN",
    "Infinity",
    "5,00",
    "EUR",
    "XXX",
    "\u0000",
    "\ud800",
    "\u202e",
    "booked",
    "BOOK",
    "DBIT",
    "active",
    "LN",
]


def _names(name):
    folders = [ROOT / name, *([ROOT / "berlin"] if name in ("gocardless", "enablebanking") else [])]
    text = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    return sorted(set(re.findall(r'"([A-Za-z][A-Za-z_\-]{1,40})"', text)))


def _answers(name):
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.sampled_from(ODD_TEXTS),
        st.text(max_size=5),
    )
    names = st.sampled_from(_names(name)) | st.text(max_size=3)
    inner = st.recursive(
        leaves,
        lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(names, deeper, max_size=8),
        max_leaves=40,
    )
    return st.dictionaries(st.sampled_from(_names(name)), inner, min_size=1, max_size=12) | inner


def _ask_everything(bank):
    per_account = bank.capabilities.fetch_scope == Scope.ACCOUNT
    bank.get_auth_status()
    accounts = bank.list_accounts()
    asked = [account.external_id for account in accounts[:2]] if per_account else [None]
    for account_id in asked or ["a"]:
        for page in bank.get_transactions(account_id, WINDOW.from_on, WINDOW.to_on):
            assert page.transactions is not None
        if bank.capabilities.cursor_scope is not None:
            for page in bank.refresh(SyncState(account_id=account_id, cursor=None, window=WINDOW)):
                assert page.transactions is not None


@pytest.mark.parametrize("name", BANKS)
def test_any_answer_is_read_or_named(name):
    connector_type = ConnectorRegistry().get(name)
    config = connector_type.Config.model_validate(BANKS[name])

    @fuzzed
    @given(st.lists(_answers(name), min_size=1, max_size=4), st.sampled_from([200, 200, 200, 400, 429, 500]))
    def try_it(bodies, status):
        state = SimpleNamespace(asked=0)

        def answer(_request):
            state.asked += 1
            if state.asked > 40:
                return httpx2.Response(500)
            content = _json(bodies[state.asked % len(bodies)])
            return httpx2.Response(status, content=content, headers={"content-type": "application/json"})

        with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
            bank = connector_type(config, ConnectorContext(http=http, now=lambda: NOW))
            try:
                _ask_everything(bank)
            except ConnectorError:
                return

    try_it()


def _json(value):
    """Write JSON as hostile banks may: with halves of surrogate pairs, and numbers that no float holds."""
    text = json.dumps(value)
    return re.sub(r"\b(NaN|-?Infinity)\b", "1e400", text).encode() if NOT_JSON.search(text) else text.encode()
