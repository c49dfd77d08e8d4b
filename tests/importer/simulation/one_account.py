"""A made-up bank with ground truth: random lives of purchases, the answers a bank gives about them, and a ledger.

`World` holds the truth and serves deliveries in any id class; `MemoryLedger` does with plans what the store does with
them in SQL. The same histories also run through the real engine on Postgres.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from worker.connectors.base import IdClass, Transaction, Window
from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.decisions import RowRules
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.ids.duplicates import distinct_transactions, possibly_shared_ids, without_superseded_pending
from worker.importer.decide.ids.match import match_by_identity
from worker.importer.decide.plan import Plan, make_plan
from worker.importer.decide.reach import FIRST_DAYS, LEAST_REACH_DAYS, AnswersReach, surely_told_from_on
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import Line, fingerprint, read_line, trusts_ids
from worker.importer.decide.slice_matches import undecided_ids
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State, StoredKey, StoredRow

START = date(2026, 3, 1)
GRACE_DAYS = 7
MERCHANTS = ("Baker Street Bread", "Kiosk am Ring", "Shell Station", "Trattoria Luigi")
AMOUNTS = ("-3.50", "-20.00", "-63.20", "12.00")
NAMES = ("{}", "{} 4711 BERLIN DE", "POS {}")


class Style(StrEnum):
    """What a provider promises: windows that hold everything, windows that may not, or a list of changes."""

    COMPLETE = "complete windows"
    WINDOWS = "windows"
    CHANGES = "changes, linked"


class Memory(StrEnum):
    """Which rows a bank tells, whatever it is asked for. It does not say so."""

    ALL = "all"
    THIRTY_DAYS = "those of the last 30 days"
    LAST_MONTH = "those of this month and the last one"
    LAST_STATEMENT = "those of this statement and the last one, which end on the 19th of a month"

    def first_on(self, today: date) -> date:
        """Return the first day whose rows it tells."""
        last_month_on = _month_before(today)
        match self:
            case Memory.THIRTY_DAYS:
                return today - timedelta(days=30)
            case Memory.LAST_MONTH:
                return last_month_on
            case Memory.LAST_STATEMENT:
                return (last_month_on if today.day >= 20 else _month_before(last_month_on)).replace(day=20)
            case _:
                return date.min


def booked_amount(amount: Decimal, factor: str) -> Decimal:
    """Return what is booked in the end: with a tip, or in part."""
    return (amount * Decimal(factor)).quantize(Decimal("0.01"))


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


@dataclass
class Purchase:
    """One purchase as it really is. gone_on: when it was called off or taken back; missed_on: first read without it.

    own_amount: the user's own. replaces: the pending id that a provider links it to. read_pending: what was last read
    of it while it was pending. unproven, too_old: it went, and nothing says so: it may stand.
    """

    number: int
    merchant: str
    amount: Decimal
    day: date
    pending: bool
    name: str = "{}"
    gone_on: date | None = None
    missed_on: date | None = None
    id_salt: str = ""
    deleted: bool = False
    note: str | None = None
    own_amount: Decimal | None = None
    replaces: str | None = None
    read_pending: Decimal | None = None
    unproven: bool = False
    too_old: bool = False

    @property
    def shown(self) -> Decimal:
        """What the user's ledger should say of it."""
        return self.own_amount if self.own_amount is not None else self.amount


@dataclass
class World:
    """The truth, and how the bank tells it. told: what was delivered last of each purchase, for lists of changes.

    last_read: amounts by number, as the last whole answer said them.
    """

    id_class: IdClass
    style: Style = Style.COMPLETE
    memory: Memory = Memory.ALL
    today: date = START
    purchases: list[Purchase] = field(default_factory=list)
    salt: str = ""
    deliveries: int = 0
    told: dict[str, Transaction] = field(default_factory=dict)
    last_read: dict[int, Decimal] = field(default_factory=dict)

    def alive(self) -> list[Purchase]:
        return [p for p in self.purchases if p.gone_on is None]

    def is_told(self, purchase: Purchase) -> bool:
        """Return whether the bank still tells a purchase, if it has it."""
        return purchase.pending or purchase.day >= self.memory.first_on(self.today)

    def buy(self, merchant: str, amount: str, *, pending: bool, days_ago: int = 0) -> Purchase:
        purchase = Purchase(
            len(self.purchases), merchant, Decimal(amount), self.today - timedelta(days=days_ago), pending, id_salt="p"
        )
        self.purchases.append(purchase)
        return purchase

    def post(self, purchase: Purchase, factor: str, name: str, days: int, *, new_id: bool) -> None:
        """Book a pending purchase: maybe with a tip, another name, another day, another id."""
        if new_id and self.style == Style.CHANGES:
            purchase.replaces = self._id(purchase, 0)
        purchase.pending = False
        purchase.amount = booked_amount(purchase.amount, factor)
        purchase.name = name
        purchase.day = min(purchase.day + timedelta(days=days), self.today)
        purchase.id_salt = "b" if new_id else purchase.id_salt

    def split(self, purchase: Purchase) -> None:
        """Book a pending purchase in two context, the second as a row of its own."""
        rest = self.buy(purchase.merchant, str(booked_amount(purchase.amount, "0.25")), pending=False)
        rest.day = purchase.day
        self.post(purchase, "1", purchase.name, 0, new_id=True)
        purchase.amount -= rest.amount

    def deliver(self, window: Window) -> list[Transaction]:
        """Return what the bank answers for a window, with the ids of its class."""
        self.deliveries += 1
        shown = [p for p in self.alive() if p.day in window and self.is_told(p)]
        shown.sort(key=lambda p: (p.day, p.merchant, p.number))
        per_day: dict[date, int] = {}
        rows = []
        for purchase in shown:
            position = per_day[purchase.day] = per_day.get(purchase.day, -1) + 1
            rows.append(
                Transaction(
                    account_id="A",
                    amount=purchase.amount,
                    currency="EUR",
                    description=purchase.name.format(purchase.merchant),
                    booking_on=purchase.day,
                    pending=purchase.pending,
                    external_id=self._id(purchase, position),
                    pending_external_id=purchase.replaces,
                )
            )
        return rows

    def changes(self) -> tuple[list[Transaction], list[str], bool]:
        """Return what changed since the last list, the ids that went, and whether this is the first list of a link."""
        everything = {str(row.external_id): row for row in self.deliver(Window(from_on=date.min, to_on=self.today))}
        first = not self.told
        rows = [row for row in everything.values() if self.told.get(str(row.external_id)) != row]
        gone = [external_id for external_id in self.told if external_id not in everything]
        self.told = everything
        return rows, gone, first

    def _id(self, purchase: Purchase, position: int) -> str | None:
        match self.id_class:
            case IdClass.STABLE | IdClass.SESSION:
                return f"{self.salt}{purchase.id_salt}{purchase.number}"
            case IdClass.POSITIONAL:
                return f"{purchase.day}.{position}"
            case IdClass.DELIVERY:
                return f"d{self.deliveries}-{purchase.number}"
            case _:
                return None

    def owed(self) -> list[Decimal]:
        """Amounts that must be among the user's expenses."""
        return sorted(p.shown for p in self.alive() if not p.deleted)

    def unread_withdrawals(self) -> list[Purchase]:
        """Booked purchases that the bank took back since they were last read."""
        return [p for p in self.purchases if p.gone_on is not None and p.missed_on is None and not p.pending]

    def unread_amounts(self) -> set[Decimal]:
        """Return the amounts that the next answer will say of purchases for the first time."""
        return {p.amount for p in self.alive() if self.last_read.get(p.number) != p.amount}

    def amounts_given_up(self) -> set[Decimal]:
        """Return the amounts that were read of purchases for which the next answer says another one."""
        return {self.last_read[p.number] for p in self.alive() if self.last_read.get(p.number, p.amount) != p.amount}

    def notes_that_may_move(self) -> list[Purchase]:
        """Return purchases with a note whose amount changes while another one is booked with the amount they had."""
        booked = {p.amount for p in self.alive() if not p.pending} & self.unread_amounts()
        noted = (p for p in self.alive() if p.note is not None and p.number in self.last_read)
        return [p for p in noted if self.last_read[p.number] != p.amount and self.last_read[p.number] in booked]

    def was_read(self, window: Window, *, complete: bool, empty: bool, reach_days: int) -> None:
        """Note what a delivery showed (or may have, if it was cut), and that it came without what was called off.

        empty: nothing came, which proves nothing about booked rows, now or when their days are past. reach_days: what
        is older, and than all that was told too, may be of days that the bank gives no more.
        """
        told = [p.day for p in self.alive() if not p.pending and p.day in window and self.is_told(p)]
        told_from_on = min(told, default=date.max)
        if complete:
            self.last_read = {p.number: p.amount for p in self.alive()}
        for purchase in self.purchases:
            if not complete:
                purchase.read_pending = purchase.shown if purchase.pending else purchase.read_pending
            elif purchase.gone_on is None:
                purchase.missed_on, purchase.unproven, purchase.too_old = None, False, False
                purchase.read_pending = purchase.shown if purchase.pending else None
            elif purchase.missed_on is None:
                purchase.missed_on = self.today
                purchase.unproven = empty and purchase.read_pending is None
                is_older = purchase.day < told_from_on
                of_first_days = purchase.day < window.from_on + timedelta(days=FIRST_DAYS)
                purchase.too_old = (is_older and (self.today - purchase.day).days > reach_days) or (
                    of_first_days and (is_older or self.style == Style.WINDOWS)
                )

    def lingering(self) -> list[Decimal]:
        """Amounts that may still be there: last read as pending, and missed for less than the grace."""
        return [p.shown for p in self.purchases if (p.unproven or p.too_old) and p.gone_on is not None] + [
            p.read_pending if p.own_amount is None else p.own_amount
            for p in self.purchases
            if p.missed_on is not None and (self.today - p.missed_on).days < GRACE_DAYS
            if p.read_pending is not None and not p.deleted
        ]


@dataclass
class MemoryLedger:
    """The store, without SQL."""

    rows: dict[int, StoredRow] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    aliases: dict[bytes, int] = field(default_factory=dict)
    absent_since: dict[int, date] = field(default_factory=dict)
    reach: AnswersReach = field(default_factory=AnswersReach)
    former: dict[str, set[int]] = field(default_factory=dict)

    def refresh(
        self,
        world: World,
        window: Window | None,
        rows: list[Transaction],
        *,
        complete: bool = True,
        gone: Sequence[str] = (),
    ) -> None:
        """Plan and keep one delivery. window None: a list of changes, which proves nothing about the rest."""
        ground = ReadContext(
            zone=ZoneInfo("UTC"),
            today=world.today,
            currency="EUR",
            trusted=trusts_ids(world.id_class),
            namespace=world.salt if world.id_class == IdClass.SESSION else "",
        )
        kept = without_superseded_pending(rows, trusted=ground.trusted)
        prints = [fingerprint(row, ground, ground.fingerprint_salt) for row in kept]
        keys = [self._key(row) for row in self.rows.values()]
        possible = possibly_shared_ids(prints, self.aliases, keys)
        shared = {identity for external_id, identity in possible.items() if len(self._by_external_id(external_id)) > 1}
        distinct = distinct_transactions(prints, shared)
        lines = [line for item in distinct.transactions if isinstance(line := read_line(item, ground), Line)]
        told = [row.booking_on for row in rows if row.booking_on and not row.pending]
        coverage = (
            Coverage(
                window=window,
                up_to_now=window is not None,
                told_from_on=min(told, default=date.max),
                reaches_from_on=self.reach.first_on(world.today),
                surely_from_on=surely_told_from_on(world.today),
            )
            if complete
            else Coverage(window=None, days_cut_off=window)
        )
        matches = match_by_identity(lines, keys, self.aliases, coverage, distinct.shared_ids)
        removed = frozenset(i for external_id in gone for i in self._by_external_id(external_id))
        linked = {
            i
            for line in matches.new
            if line.pending_external_id
            for i in self._by_external_id(line.pending_external_id)
        }
        in_full = {
            i: replace(self.rows[i], absent_days=self._absent_days(self.rows[i], world))
            for i in sorted(undecided_ids(matches, coverage) | removed | linked)
        }
        plan = make_plan(
            matches,
            Evidence(
                in_full=in_full,
                coverage=coverage,
                listed_as_removed=removed,
                only_changes=world.style == Style.CHANGES,
            ),
            RowRules(
                windows_complete=world.style == Style.COMPLETE and bool(rows),
                links_pending=world.style == Style.CHANGES,
                pending_grace_days=GRACE_DAYS,
            ),
        )
        self._apply(plan, world)
        if complete and window is not None and told:
            self._note_reach(plan, min(told), world.today)

    def _note_reach(self, plan: Plan, told_from_on: date, today: date) -> None:
        lost_to_on = max((row.days.day for row in plan.out_of_reach), default=None)
        self.reach = self.reach.told_anew(told_from_on, today, lost_to_on)
        missed = [row.days.day for row_id in plan.newly_absent if (row := self.rows[row_id]).state == State.POSTED]
        if short := [(today - day).days - 1 for day in missed if day < told_from_on]:
            known_days = self.reach.shortest_days
            shortest_days = min(*short, LEAST_REACH_DAYS, LEAST_REACH_DAYS if known_days is None else known_days)
            self.reach = replace(self.reach, shortest_days=shortest_days)

    def _by_external_id(self, external_id: str) -> set[int]:
        present = {row.id for row in self.rows.values() if row.external_id == external_id}
        return present or self.former.get(external_id, set())

    def _absent_days(self, row: StoredRow, world: World) -> int | None:
        since = self.absent_since.get(row.id)
        return None if since is None else (world.today - since).days

    def _key(self, row: StoredRow) -> StoredKey:
        absent = row.id in self.absent_since
        return StoredKey(
            row.id,
            row.identity,
            row.external_id,
            row.content_key,
            row.occurrence,
            row.fingerprint,
            row.state,
            row.days,
            absent,
        )

    def _apply(self, plan: Plan, world: World) -> None:
        for change in plan.changes:
            self._change(change)
        for create in plan.creates:
            self._create(create)
        for row_id in plan.newly_absent:
            self.absent_since[row_id] = world.today
        for row_id in plan.returned:
            self.absent_since.pop(row_id, None)

    def _change(self, change) -> None:
        old, effect = change.known, change.effect
        if change.identity != old.identity:
            self.aliases.setdefault(old.identity, old.id)
            if old.external_id is not None:
                self.former.setdefault(old.external_id, set()).add(old.id)
        expense = effect.write or old.expense
        said = change.line
        values = {} if said is None else _said(said)
        self.rows[old.id] = replace(
            old,
            identity=change.identity,
            occurrence=change.occurrence,
            state=change.state,
            expense_state=effect.state,
            expense=expense,
            expense_id=old.id if effect.write or (old.expense_id is not None and not effect.drop) else None,
            base=change.base,
            **values,
        )
        self.absent_since.pop(old.id, None)
        assert len({row.identity for row in self.rows.values()}) == len(self.rows), "the database would refuse it"

    def _create(self, create) -> None:
        row_id = len(self.rows) + 1
        assert all(row.identity != create.identity for row in self.rows.values()), "the database would refuse it"
        own = create.expense_state == ExpenseState.OWN
        self.rows[row_id] = StoredRow(
            id=row_id,
            identity=create.identity,
            occurrence=create.occurrence,
            state=State.PENDING if create.line.pending else State.POSTED,
            expense_state=create.expense_state,
            expense=create.expense if own else None,
            expense_id=row_id if own else None,
            base=create.expense,
            absent_days=None,
            **_said(create.line),
        )

    def amounts(self) -> list[Decimal]:
        return sorted(_signed(row.expense) for row in self.rows.values() if row.expense_id is not None and row.expense)

    def asked_about(self) -> list[Decimal]:
        """Return the amounts of the booked rows about which the user is asked whether they are gone."""
        asked = [row for row in self.rows.values() if row.id in self.absent_since and row.state == State.POSTED]
        return [_signed(row.expense) for row in asked if row.expense_id is not None and row.expense]

    def find(self, merchant: str) -> StoredRow | None:
        found = [r for r in self.rows.values() if merchant in r.description and r.expense_id is not None]
        return found[0] if found else None

    def delete_expense(self, merchant: str) -> bool:
        row = self.find(merchant)
        if row is not None:
            self.rows[row.id] = replace(row, expense=None, expense_id=None)
        return row is not None

    def edit_amount(self, merchant: str, amount: Decimal) -> bool:
        row = self.find(merchant)
        if row is not None and row.expense is not None:
            self.rows[row.id] = replace(row, expense=row.expense._replace(amount=amount))
        return row is not None

    def edit_notes(self, merchant: str, notes: str) -> bool:
        row = self.find(merchant)
        if row is not None and row.expense is not None:
            self.rows[row.id] = replace(row, expense=row.expense._replace(notes=notes))
        return row is not None

    def notes_of(self, merchant: str) -> str | None:
        row = self.find(merchant)
        return row.expense.notes if row is not None and row.expense is not None else None


def _said(line: Line) -> dict:
    names = (
        "external_id", "content_key", "fingerprint", "days", "amount", "currency", "description", "counterparty",
        "reference",
    )  # fmt: skip
    return {name: getattr(line, name) for name in names}


def _signed(expense: ExpenseFields | None) -> Decimal:
    assert expense is not None
    return expense.amount if expense.expense_type == "INCOME" else -expense.amount
