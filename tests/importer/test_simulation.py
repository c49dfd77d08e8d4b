"""Random histories against ground truth: after every complete refresh the ledger is what the bank's truth is."""

import os
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.importer.bank import WINDOWED, Harness
from tests.importer.simulation.one_account import (
    AMOUNTS,
    MERCHANTS,
    NAMES,
    START,
    Memory,
    MemoryLedger,
    Style,
    World,
    booked_amount,
)
from worker.connectors.base import IdClass, Window
from worker.importer.decide.absent_rows import MANY_AT_THE_END
from worker.importer.decide.reach import LEAST_REACH_DAYS
from worker.importer.decide.read.line import trusts_ids

OVERLAP_DAYS = 45
FRESH = "FRESH_HISTORIES" in os.environ
"""Set it to a number to try so many histories that were never tried before; else those that the loaded code gives."""
HISTORIES = int(os.environ.get("FRESH_HISTORIES", "3000"))
SOLO = "solo"
"""Begins the names of merchants with one purchase only: the user edits and deletes those."""


class History(RuleBasedStateMachine):
    """Purchases, tips, pre-authorisations, splits, refunds, late rows, corrections, removals and returns, re-links,
    outages, cut answers, user edits and deletions: in every id class and with every kind of promise.

    fresh: the last thing that happened was a whole answer. plain: since the last whole answer nothing happened of which
    a cut one leaves open what became of what. amended, linked, renamed: since then, rows were rewritten, all ids
    changed, those of these purchases did.
    """

    @initialize(
        id_class=st.sampled_from(list(IdClass)),
        style=st.sampled_from(list(Style)),
        memory=st.sampled_from(list(Memory)),
    )
    def open(self, id_class, style, memory):
        changes = style == Style.CHANGES
        self.world = World(IdClass.STABLE if changes else id_class, style, Memory.ALL if changes else memory)
        self.ledger = MemoryLedger()
        self.fresh = False
        self.plain = True
        self.amended = self.linked = False
        self.renamed = set()
        self.watermark = START - timedelta(days=60)

    def solo(self):
        return SOLO + "abcdefghijklmnopqrstuvwxyz"[len(self.world.purchases) % 26] * 6

    def happened(self, *, plain=True):
        self.fresh = False
        self.plain = self.plain and plain

    def pick(self, number, **wanted):
        fits = [p for p in self.world.alive() if all(getattr(p, name) == value for name, value in wanted.items())]
        fits = [p for p in fits if self.will_be_read(p)]
        return fits[number % len(fits)] if fits else None

    def pick_to_book(self, number, **wanted):
        """Pick a pending purchase whose booking the bank will tell: it books on the day that the purchase has."""
        purchase = self.pick(number, pending=True, **wanted)
        first_on = self.world.memory.first_on(self.world.today)
        return purchase if purchase is not None and purchase.day >= first_on else None

    def is_ambiguous(self, amount):
        """Say whether a booking looks like the former row of another purchase: then its pending row seems to stay."""
        return not trusts_ids(self.world.id_class) and amount in self.world.amounts_given_up()

    def since(self):
        return min(self.watermark, self.world.today) - timedelta(days=OVERLAP_DAYS)

    def will_be_read(self, purchase):
        return self.world.style == Style.CHANGES or (purchase.day >= self.since() and self.world.is_told(purchase))

    @rule(merchant=st.sampled_from(MERCHANTS), amount=st.sampled_from(AMOUNTS), pending=st.booleans())
    def buy(self, merchant, amount, pending):
        self.world.buy(merchant, amount, pending=pending)
        self.happened()

    @rule(amount=st.sampled_from(AMOUNTS), pending=st.booleans())
    def buy_somewhere_new(self, amount, pending):
        self.world.buy(self.solo(), amount, pending=pending)
        self.happened()

    @rule(merchant=st.sampled_from(MERCHANTS), amount=st.sampled_from(AMOUNTS), days=st.integers(1, 44))
    def book_late(self, merchant, amount, days):
        if self.world.today - timedelta(days=days) >= self.world.memory.first_on(self.world.today):
            self.world.buy(merchant, amount, pending=False, days_ago=days)
            self.happened()

    @rule(number=st.integers(0, 99))
    def refund(self, number):
        purchase = self.pick(number, pending=False)
        if purchase is not None:
            self.world.buy(purchase.merchant, str(-purchase.amount), pending=False)
            self.happened()

    @rule(
        number=st.integers(0, 99),
        factor=st.sampled_from(["1", "1", "1", "1.15", "0.6", "3"]),
        name=st.sampled_from(NAMES),
        days=st.integers(0, 5),
        new_id=st.booleans(),
    )
    def post(self, number, factor, name, days, new_id):
        purchase = self.pick_to_book(number)
        if purchase is not None and not self.is_ambiguous(booked_amount(purchase.amount, factor)):
            if purchase.deleted or purchase.own_amount is not None:
                # Without an id, what is further off from a row that the user changed may be another purchase.
                factor = "1" if factor in ("0.6", "3") else factor
            self.world.post(purchase, factor, name, days, new_id=new_id)
            self.happened(plain=factor == "1" and name == "{}")

    @rule(number=st.integers(0, 99))
    def post_in_two_parts(self, number):
        purchase = self.pick_to_book(number, deleted=False, note=None, own_amount=None)
        if purchase is not None and not self.world.unread_withdrawals():
            self.world.split(purchase)
            self.happened(plain=False)

    @rule(number=st.integers(0, 99))
    def call_off(self, number):
        purchase = self.pick(number, pending=True)
        if purchase is not None:
            purchase.gone_on = self.world.today
            self.happened()

    @rule(number=st.integers(0, 99))
    def bank_takes_back(self, number):
        purchase = self.pick(number, pending=False)
        unheard = self.linked and self.world.style == Style.CHANGES  # a new link lists what is there, not what went
        # One row goes and another of its amount comes: nobody could tell that from a row that got a new id.
        replaced = purchase is not None and purchase.amount in self.world.unread_amounts()
        if purchase is not None and not unheard and not replaced and len(self.world.alive()) > 1:
            purchase.gone_on = self.world.today
            self.happened(plain=False)

    @rule(number=st.integers(0, 99), new_id=st.booleans())
    def bank_brings_back(self, number, new_id):
        gone = [p for p in self.world.purchases if p.gone_on is not None and not p.pending and self.will_be_read(p)]
        if gone:
            purchase = gone[number % len(gone)]
            purchase.gone_on = purchase.missed_on = None
            purchase.id_salt += "r" if new_id else ""
            self.renamed |= {purchase.number} if new_id else set()
            self.happened(plain=False)

    @precondition(lambda self: not self.linked)
    @rule(number=st.integers(0, 99), name=st.sampled_from(NAMES))
    def rewrite(self, number, name):
        purchase = self.pick(number, pending=False)
        if purchase is not None:
            purchase.name = name
            self.amended = True
            self.happened(plain=False)

    @precondition(lambda self: not self.linked)
    @rule(number=st.integers(0, 99), amount=st.sampled_from(["-4.40", "-21.00"]))
    def correct(self, number, amount):
        purchase = self.pick(number, pending=False)
        has_ids = trusts_ids(self.world.id_class) and purchase is not None and purchase.number not in self.renamed
        # Without ids an amount that the user changed may be too far off to be known again, and another purchase that
        # comes with the former amount is taken for the row: its notes go there.
        touched = purchase is not None and (purchase.own_amount is not None or purchase.note is not None)
        booked = {p.amount for p in self.world.alive() if not p.pending} & self.world.unread_amounts()
        taken = purchase is not None and purchase.amount in booked  # what is booked now looks like its row
        decided = has_ids or (self.world.style != Style.WINDOWS and not touched and not taken)
        if purchase is not None and decided and not purchase.deleted:
            purchase.amount = Decimal(amount).copy_sign(purchase.amount)
            self.amended = True
            self.happened(plain=False)

    @rule(days=st.sampled_from([1, 1, 2, 3, 5, 8, 12, 60]))
    def days_pass(self, days):
        if self.world.memory != Memory.ALL:
            self.refresh()  # what it no longer tells was read before
        self.world.today += timedelta(days=days)
        self.happened()

    @precondition(lambda self: not self.amended)
    @rule()
    def link_again(self):
        if self.world.style == Style.CHANGES:
            self.refresh()
        self.world.salt += "x"
        self.world.told = {}
        self.linked = True
        self.happened(plain=False)

    @rule()
    def refresh(self):
        self.read(complete=True)
        self.fresh = self.plain = True
        self.amended = self.linked = False
        self.renamed = set()

    @precondition(lambda self: self.plain and self.world.style != Style.CHANGES)
    @rule(keep=st.integers(0, 3))
    def refresh_is_cut(self, keep):
        self.read(complete=False, keep=keep)
        self.happened()

    def read(self, *, complete, keep=None):
        if not trusts_ids(self.world.id_class):
            for purchase in self.world.notes_that_may_move():
                purchase.note = None
        window = Window(from_on=self.since(), to_on=self.world.today)
        shortest_days = self.ledger.reach.shortest_days
        reach_days = LEAST_REACH_DAYS if shortest_days is None else min(shortest_days, LEAST_REACH_DAYS)
        if self.world.style == Style.CHANGES:
            rows, gone, first = self.world.changes()
            everything = Window(from_on=START - timedelta(days=400), to_on=self.world.today)
            self.ledger.refresh(self.world, everything if first else None, rows, gone=gone)
        else:
            rows = self.world.deliver(window)[:keep]
            self.ledger.refresh(self.world, window, rows, complete=complete)
        self.world.was_read(
            window, complete=complete, empty=self.world.style != Style.CHANGES and not rows, reach_days=reach_days
        )
        if complete:
            self.watermark = self.world.today

    @precondition(lambda self: self.fresh)
    @rule(number=st.integers(0, 99), edit=st.sampled_from(["delete", "notes", "amount"]))
    def user_edits(self, number, edit):
        alone = [p for p in self.world.alive() if SOLO in p.merchant and not p.deleted]
        if not alone or len({p.merchant for p in self.world.purchases if SOLO in p.merchant}) < len(
            [p for p in self.world.purchases if SOLO in p.merchant]
        ):
            return
        purchase = alone[number % len(alone)]
        if edit == "delete" and self.ledger.delete_expense(purchase.merchant):
            purchase.deleted = True
        elif edit == "notes" and self.ledger.edit_notes(purchase.merchant, "mine"):
            purchase.note = "mine"
        elif edit == "amount" and self.ledger.edit_amount(purchase.merchant, Decimal("7.77")):
            purchase.own_amount = Decimal("7.77").copy_sign(purchase.amount)

    @invariant()
    def nothing_lost_nothing_doubled(self):
        if not getattr(self, "fresh", False):
            return
        held, owed = Counter(self.ledger.amounts()), Counter(self.world.owed())
        assert not owed - held, f"lost {owed - held}"
        asked = Counter(self.ledger.asked_about())
        assert not (held - owed) - Counter(self.world.lingering()) - asked, f"doubled {held - owed}"
        gone = Counter(p.shown for p in self.world.purchases if p.gone_on is not None)
        may_ask = MANY_AT_THE_END - 1 if self.world.memory in (Memory.LAST_MONTH, Memory.LAST_STATEMENT) else 0
        assert (asked - gone).total() <= may_ask, f"asked about {asked - gone}"

    @invariant()
    def what_the_user_wrote_stays(self):
        for purchase in self.world.alive() if getattr(self, "fresh", False) else ():
            if purchase.note is not None and not purchase.deleted:
                assert self.ledger.notes_of(purchase.merchant) == purchase.note

    def teardown(self):
        if hasattr(self, "world"):
            event(f"{self.world.style}, ids {self.world.id_class}: {min(len(self.world.purchases), 5)}+ purchases")


TestHistories = History.TestCase
TestHistories.settings = settings(
    max_examples=HISTORIES, stateful_step_count=24, deadline=None, print_blob=True, derandomize=not FRESH,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.sampled_from(MERCHANTS), st.sampled_from(AMOUNTS), st.booleans()),
        st.tuples(st.just("post"), st.integers(0, 9), st.sampled_from(["1", "1.15", "0.6"]), st.booleans()),
        st.tuples(st.just("days"), st.integers(1, 9)),
        st.tuples(st.just("link")),
        st.tuples(st.just("refresh")),
    ),
    min_size=4,
    max_size=12,
)  # fmt: skip


@pytest.mark.parametrize("id_class", list(IdClass))
def test_the_engine_on_postgres_ends_with_the_same_truth(sessions, user_id, id_class):
    """The same kind of histories through fetch, SQL and all; each on a connection of its own."""

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=STEPS)
    def histories(steps):
        harness = Harness(sessions, user_id)
        harness.sql("DELETE FROM bank_connections WHERE id <> :id", id=harness.connection_id)
        harness.sql("DELETE FROM expenses")
        harness.bank.capabilities = replace_class(id_class)
        world = World(id_class)
        for step in [*steps, ("refresh",)]:
            live(world, harness, step)
        assert sorted(map(float, harness.amounts())) == sorted(map(float, world.owed()))

    histories()


def replace_class(id_class):
    from dataclasses import replace

    return replace(WINDOWED, id_class=id_class)


def live(world, harness, step):
    match step:
        case ("buy", merchant, amount, pending):
            world.buy(merchant, amount, pending=pending)
        case ("post", pick, factor, new_id):
            pending = [p for p in world.alive() if p.pending]
            if pending:
                world.post(pending[pick % len(pending)], factor, "{}", 1, new_id=new_id)
        case ("days", days):
            world.today += timedelta(days=days)
        case ("link",):
            world.salt += "x"
        case _:
            harness.bank.today = world.today
            harness.bank.session = world.salt
            everything = Window(from_on=START - timedelta(days=365), to_on=world.today)
            harness.bank.rows = world.deliver(everything)
            harness.refresh()
