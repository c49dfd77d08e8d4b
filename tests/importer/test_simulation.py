"""Random histories against ground truth: after every complete refresh the ledger is what the bank's truth is."""

from collections import Counter
from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.importer.bank import WINDOWED, Harness
from tests.importer.simulation import AMOUNTS, MERCHANTS, NAMES, START, MemoryLedger, World
from worker.connectors.base import IdClass, Window

OVERLAP_DAYS = 45
SOLO = "solo"
"""Begins the names of merchants with one purchase only: the user edits and deletes those."""


class History(RuleBasedStateMachine):
    """Purchases, tips, pre-authorisations, refunds, late rows, re-links, outages, user edits, in every id class."""

    @initialize(id_class=st.sampled_from(list(IdClass)))
    def open(self, id_class):
        self.world = World(id_class)
        self.ledger = MemoryLedger()
        self.fresh = False
        self.plain = True
        self.watermark = START - timedelta(days=60)

    def solo(self):
        return SOLO + "abcdefghijklmnopqrstuvwxyz"[len(self.world.purchases) % 26] * 6

    @rule(merchant=st.sampled_from(MERCHANTS), amount=st.sampled_from(AMOUNTS), pending=st.booleans())
    def buy(self, merchant, amount, pending):
        self.world.buy(merchant, amount, pending=pending)
        self.fresh = False

    @rule(amount=st.sampled_from(AMOUNTS), pending=st.booleans())
    def buy_somewhere_new(self, amount, pending):
        self.world.buy(self.solo(), amount, pending=pending)
        self.fresh = False

    @rule(merchant=st.sampled_from(MERCHANTS), amount=st.sampled_from(AMOUNTS), days=st.integers(1, 40))
    def book_late(self, merchant, amount, days):
        self.world.buy(merchant, amount, pending=False, days_ago=days)
        self.fresh = False

    @precondition(lambda self: any(p.pending for p in self.world.alive()))
    @rule(
        pick=st.integers(0, 99),
        factor=st.sampled_from(["1", "1", "1", "1.15", "0.6", "3"]),
        name=st.sampled_from(NAMES),
        days=st.integers(0, 5),
        new_id=st.booleans(),
    )
    def post(self, pick, factor, name, days, new_id):
        pending = [p for p in self.world.alive() if p.pending]
        self.world.post(pending[pick % len(pending)], factor, name, days, new_id=new_id)
        self.fresh = False
        self.plain = self.plain and factor == "1" and name == "{}"

    @precondition(lambda self: any(p.pending for p in self.world.alive()))
    @rule(pick=st.integers(0, 99))
    def call_off(self, pick):
        pending = [p for p in self.world.alive() if p.pending]
        pending[pick % len(pending)].gone_on = self.world.today
        self.fresh = False

    @rule(days=st.integers(1, 12))
    def days_pass(self, days):
        self.world.today += timedelta(days=days)
        self.fresh = False

    @rule()
    def link_again(self):
        self.world.salt += "x"
        self.fresh = self.plain = False

    @rule()
    def refresh(self):
        self.read(complete=True)
        self.fresh = self.plain = True

    @precondition(lambda self: self.plain)  # a cut answer after a tip or a re-link leaves open what became of what
    @rule(keep=st.integers(0, 3))
    def refresh_is_cut(self, keep):
        self.read(complete=False, keep=keep)
        self.fresh = False

    def read(self, *, complete, keep=None):
        since = min(self.watermark, self.world.today) - timedelta(days=OVERLAP_DAYS)
        window = Window(from_on=since, to_on=self.world.today)
        rows = self.world.deliver(window)
        self.ledger.refresh(self.world, window, rows[:keep], complete=complete)
        if complete:
            self.watermark = self.world.today
            self.world.missed()

    @precondition(lambda self: self.fresh and any(SOLO in p.merchant for p in self.world.alive()))
    @rule(pick=st.integers(0, 99), delete=st.booleans())
    def user_edits(self, pick, delete):
        alone = [p for p in self.world.alive() if SOLO in p.merchant and not p.deleted]
        if not alone or len({p.merchant for p in alone}) < len(alone):
            return
        purchase = alone[pick % len(alone)]
        if delete and self.ledger.delete_expense(purchase.merchant):
            purchase.deleted = True
        elif not delete and self.ledger.edit_notes(purchase.merchant, "mine"):
            purchase.note = "mine"

    @invariant()
    def nothing_lost_nothing_doubled(self):
        if not getattr(self, "fresh", False):
            return
        held, owed = Counter(self.ledger.amounts()), Counter(self.world.owed())
        assert not owed - held, f"lost {owed - held}"
        assert not (held - owed) - Counter(self.world.lingering()), f"doubled {held - owed}"

    @invariant()
    def no_row_moves_more_expenses_than_there_are_purchases(self):
        if getattr(self, "fresh", False):
            event(f"{self.world.id_class}: {min(len(self.world.purchases), 5)}+ purchases")
            assert len(self.ledger.amounts()) <= len(self.world.purchases)


TestHistories = History.TestCase
TestHistories.settings = settings(
    max_examples=3000, stateful_step_count=18, deadline=None, print_blob=True,
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
