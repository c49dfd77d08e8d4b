"""How one bank or aggregator tells what a person did: its ids, words, days, signs, pages, and what it gets wrong."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tests.importer.bank import Bank, ScriptedConnector
from tests.importer.simulation.person import Person, Purchase
from worker.connectors.base import (
    Account,
    Balance,
    BalanceKind,
    Capabilities,
    IdClass,
    Page,
    RemovedTransaction,
    Scope,
    SyncState,
    Transaction,
    TransactionKind,
    Window,
)
from worker.connectors.errors import CursorInvalidError

SPELLINGS = ("{}", "POS {} 4711 BERLIN DE", "{} CARD PAYMENT")
REACH_DAYS = 40
"""Banks of the simulation change nothing that is older: refreshes look back 45 days."""


class Style(StrEnum):
    """What the provider promises about its answers."""

    COMPLETE = "complete windows"
    WINDOWS = "windows"
    CHANGES = "changes by cursor"


@dataclass(kw_only=True)
class Listing:
    """An account as this provider calls it now."""

    external_id: str
    name: str
    mask: str


@dataclass(kw_only=True)
class Provider:
    """One connection's bank.

    Attributes:
        listings: The accounts it serves, by their key in the truth.
        unlisted: Keys of accounts that its list leaves out for now.
        generation: Goes up when all ids and texts change at once.
        local_days: It counts days in its own zone instead of UTC.
        without_id: Purchases that have no id at present.
        lent_ids: Purchases that are told under the id of another one.
        both_states: Purchases that the next answer tells as pending and as booked.
        forgotten: Pending rows that it goes on telling although they were booked under another id.
        wrong_sign: Pending purchases that it tells with the opposite sign.
        flipped: Keys of accounts whose amounts it tells with the opposite sign.
        balance_error: By how much the balances it states are wrong.
        counts_pending: Its balances count pending rows.
        computes_ids: Its ids are computed from what rows say.
        repeats_rows: Each page begins with the last rows of the page before.
        starts_over: The next answer is withdrawn after its first page and begins again.
        cut: The next answer says that something is missing from it.
    """

    number: int
    person: Person
    style: Style
    id_class: IdClass
    listings: dict[str, Listing]
    unlisted: set[str] = field(default_factory=set)
    generation: int = 0
    local_days: bool = False
    without_id: set[int] = field(default_factory=set)
    lent_ids: dict[int, int] = field(default_factory=dict)
    new_ids: dict[int, int] = field(default_factory=dict)
    both_states: set[int] = field(default_factory=set)
    forgotten: dict[int, Transaction] = field(default_factory=dict)
    wrong_sign: set[int] = field(default_factory=set)
    flipped: set[str] = field(default_factory=set)
    balance_error: Decimal = Decimal(0)
    counts_pending: bool = False
    computes_ids: bool = False
    repeats_rows: bool = False
    starts_over: bool = False
    cut: bool = False
    told: dict[str, Transaction] = field(default_factory=dict)
    log: list[Transaction | RemovedTransaction] = field(default_factory=list)
    told_numbers: set[int] = field(default_factory=set)
    deliveries: int = 0
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        """Return what a connector for this bank would promise."""
        by_cursor = self.style == Style.CHANGES
        return Capabilities(
            id_class=self.id_class,
            pending=True,
            windows_complete=self.style == Style.COMPLETE,
            cursor_scope=Scope.CONNECTION if by_cursor else None,
            links_pending=by_cursor,
            balances=True,
        )

    def prepare(self, bank: Bank) -> None:
        """Put into the scripted bank what it holds today."""
        self.deliveries += 1
        self.keys |= {listing.external_id: key for key, listing in self.listings.items()}
        bank.today = self.person.today
        bank.capabilities = self.capabilities
        bank.session = str(self.generation)
        bank.complete = not self.cut or self.style == Style.CHANGES
        bank.page_rows = 3 if self.repeats_rows or self.starts_over else 1000
        bank.accounts = [self._account(key) for key in self.listings if key not in self.unlisted]
        bank.rows = list(self._rows())
        self._remember_changes(bank.rows)
        self.cut = False

    def _account(self, key: str) -> Account:
        listing, truth = self.listings[key], self.person.accounts[key]
        today = self.person.today
        amount = self.person.balance(key, pending=self.counts_pending) + self.balance_error
        return Account(
            external_id=listing.external_id,
            name=listing.name,
            mask=listing.mask,
            currency="EUR",
            anchor=None if truth.iban is None else f"iban:{truth.iban}",
            balance=Balance(
                amount=amount, kind=BalanceKind.BOOKED, at=datetime(today.year, today.month, today.day, 20, tzinfo=UTC)
            ),
        )

    def _rows(self) -> Iterator[Transaction]:
        per_day: dict[date, int] = {}
        for purchase in sorted(self.person.standing(), key=lambda p: (p.on, p.merchant, p.number)):
            if purchase.account not in self.listings:
                continue
            place = per_day[purchase.on] = per_day.get(purchase.on, -1) + 1
            if purchase.number in self.both_states:
                yield self.row(purchase, place, pending=True)
            if purchase.number in self.forgotten:
                yield self.forgotten[purchase.number]
            yield self.row(purchase, place, pending=purchase.pending)
        self.both_states.clear()

    def row(self, purchase: Purchase, place: int, *, pending: bool) -> Transaction:
        account = self.person.accounts[purchase.account]
        inverted = (purchase.account in self.flipped) != (pending and purchase.number in self.wrong_sign)
        day = purchase.on + timedelta(days=-1 if self.local_days and purchase.late else 0)
        peer = None if purchase.other_leg is None else self.person.purchases[purchase.other_leg]
        peer_iban = None if peer is None else self.person.accounts[peer.account].iban
        words = (
            purchase.merchant if peer is None else f"Transfer {peer_iban or self.person.accounts[peer.account].mask}"
        )
        return Transaction(
            account_id=self.listings[account.key].external_id,
            amount=-purchase.amount if inverted else purchase.amount,
            currency="EUR",
            description=SPELLINGS[self.generation % len(SPELLINGS)].format(words),
            booking_on=day,
            pending=pending,
            external_id=self.id_of(purchase, place),
            pending_external_id=self._linked_id(purchase) if not pending else None,
            counterparty_account=peer_iban,
            kind=None if peer is None else TransactionKind.TRANSFER,
            raw={"purchase": purchase.number},
        )

    def id_of(self, purchase: Purchase, place: int = 0) -> str | None:
        """Return the id under which a purchase is told today."""
        if purchase.number in self.without_id:
            return None if purchase.number % 2 else "  "
        if self.computes_ids:
            return f"g{self.generation}.{purchase.account}.{purchase.on}.{purchase.merchant}.{purchase.amount}"
        number = self.lent_ids.get(purchase.number, purchase.number)
        match self.id_class:
            case IdClass.STABLE | IdClass.SESSION:
                return f"g{self.generation}.{number}.{self.new_ids.get(number, 0)}"
            case IdClass.POSITIONAL:
                return f"{purchase.on}.{place}"
            case IdClass.DELIVERY:
                return f"d{self.deliveries}.{number}"
            case _:
                return None

    def _linked_id(self, purchase: Purchase) -> str | None:
        """Return the pending id that a booked row names, where the provider links them."""
        changed = self.new_ids.get(purchase.number, 0)
        if self.style != Style.CHANGES or not changed or purchase.number in self.forgotten:
            return None
        return f"g{self.generation}.{purchase.number}.{changed - 1}"

    def _remember_changes(self, everything: list[Transaction]) -> None:
        """Append to the log what is new, different or gone since the last answer."""
        present = {f"{row.raw}|{row.external_id}|{row.pending}": row for row in everything}
        gone = _ids(self.told.values()) - _ids(everything)
        self.log += [RemovedTransaction(external_id=external_id) for external_id in sorted(gone)]
        self.log += [row for key, row in present.items() if self.told.get(key) != row]
        self.told = present
        self.told_numbers |= {row.raw["purchase"] for row in everything if row.raw and not row.pending}

    def knows(self, key: str) -> bool:
        """Say whether several booked purchases of an account were told already."""
        return sum(self.person.purchases[number].account == key for number in self.told_numbers) > 1


def _ids(rows: Iterable[Transaction]) -> set[str]:
    return {row.external_id for row in rows if row.external_id is not None and row.external_id.strip()}


def _told_apart(entries: Sequence[Transaction | RemovedTransaction]) -> list[list[Transaction | RemovedTransaction]]:
    """Cut a list of changes before every row that it removed earlier: within one page, what is removed is gone."""
    pages: list[list[Transaction | RemovedTransaction]] = [[]]
    for entry in entries:
        gone = {other.external_id for other in pages[-1] if isinstance(other, RemovedTransaction)}
        if isinstance(entry, Transaction) and entry.external_id in gone:
            pages.append([])
        pages[-1].append(entry)
    return pages


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One delivery as it was told.

    Attributes:
        standing: Its rows that no later part of it removed.
        covers: The days it holds everything of; None when something may be missing.
    """

    rows: tuple[Transaction, ...]
    standing: tuple[Transaction, ...]
    covers: Window | None


class SimulatedConnector(ScriptedConnector):
    """Serves a provider's answers, with the pages it repeats and the answers it withdraws.

    Attributes:
        answers: What it answered and did not withdraw.
    """

    def __init__(self, bank: Bank, provider: Provider) -> None:
        super().__init__(bank)
        self.provider = provider
        self.answers: list[Answer] = []

    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        window = Window(from_on=from_date, to_on=to_date)
        mine = [row for row in self.bank.rows if row.account_id == account_id]
        # A booking of the days to come is told with the latest window.
        asked = [row for row in mine if row.booking_on and (row.booking_on in window or row.booking_on > to_date)]
        yield from self._counted(self._pages(asked, window))

    def refresh(self, state: SyncState) -> Iterator[Page]:
        if self.provider.style != Style.CHANGES:
            yield from self.get_transactions(state.account_id, state.window.from_on, state.window.to_on)
        else:
            yield from self._counted(self._changes(state))

    def _changes(self, state: SyncState) -> Iterator[Page]:
        """Tell everything there is to who has no cursor, and what happened since to who has one."""
        if state.cursor is None:
            self.answers.clear()  # what was read ahead is dropped for everything there is
        log = self.provider.log if state.cursor else self.bank.rows
        news = [entry for entry in log[int(state.cursor or 0) :] if state.account_id in (None, entry.account_id)]
        for entries in _told_apart(news):
            yield Page(
                transactions=tuple(entry for entry in entries if isinstance(entry, Transaction)),
                removed=tuple(entry for entry in entries if isinstance(entry, RemovedTransaction)),
                next_cursor=str(len(self.provider.log)),
                covers=None if state.cursor else state.window,
            )

    def _counted(self, pages: Iterator[Page]) -> Iterator[Page]:
        rows: list[Transaction] = []
        standing: list[Transaction] = []
        covers = None
        for page in pages:
            rows += page.transactions
            gone = {row.external_id for row in page.removed}
            standing = [row for row in (*standing, *page.transactions) if row.external_id not in gone]
            covers = page.covers if page.complete else None
            yield page
        self.answers.append(Answer(rows=tuple(rows), standing=tuple(standing), covers=covers))

    def _pages(self, rows: list[Transaction], window: Window) -> Iterator[Page]:
        for place, page in enumerate(super()._pages(self._with_repeats(rows), window)):
            if place and self.provider.starts_over:
                self.provider.starts_over = False
                raise CursorInvalidError("the answer changed while it was read")
            yield page

    def _with_repeats(self, rows: list[Transaction]) -> list[Transaction]:
        if not self.provider.repeats_rows:
            return rows
        told: list[Transaction] = []
        for row in rows:
            # The last row of a page is told once more by the next one, unless it has no id or a twin there.
            if (
                told
                and told[-1].external_id
                and len(told) % self.bank.page_rows == 0
                and told[-1] != row
                and told[-1] not in told[-3:-1]
            ):
                told.append(told[-1])
            told.append(row)
        return told
