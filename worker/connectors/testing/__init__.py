"""The conformance kit: one call gives the author of a connector a pytest suite, offline and in seconds.

    from worker.connectors.testing import Ledger, connector_tests

    class AcmeServer:
        '''Plays Acme's API: tells what is in the ledger in Acme's dialect.'''

        def __init__(self, ledger: Ledger) -> None:
            self.ledger = ledger

        def __call__(self, request: httpx2.Request) -> httpx2.Response:
            ...

    TestAcme = connector_tests(AcmeConnector, config={"token": "acme-secret-7f3a"}, server=AcmeServer)

The checks book, hold, post, amend and remove entries in the `Ledger` and compare what the connector delivers with it.
The server reads `ledger.accounts`, `ledger.entries(account_id, from_on, to_on)`, `ledger.balance(account_id)` and, for
a provider with a cursor, `ledger.changes(since)`; where its provider pages, it puts `ledger.page_size` rows on a page.
An `Entry` has `id, account_id, amount (negative = money out), currency, description, counterparty, made_at, made_on,
booked_at, booked_on (None while pending), replaces`. A connector that reads files gives a function instead of a
server: `config=lambda ledger, directory: {...}` writes the ledger into the folder and returns the config.
"""

from worker.connectors.testing.ledger import Change, ChangeKind, Entry, Ledger, LedgerAccount
from worker.connectors.testing.suite import connector_tests
from worker.connectors.testing.transport import Server

__all__ = ["Change", "ChangeKind", "Entry", "Ledger", "LedgerAccount", "Server", "connector_tests"]
