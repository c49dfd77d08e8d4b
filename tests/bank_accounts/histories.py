"""Random histories of one account, and seven kinds of source that state them, each with its own days, texts and ids.

Four are online: two aggregators without account numbers, two banks with IBANs. Three are files. What a source states
is made from the same truth, so that a test knows which rows are one purchase.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from worker.connectors.base import Account, IdClass, Transaction

FIRST = date(2026, 1, 1)
SEAM = 120
LAST = 160
IBAN = "DE02120300000000202051"
MERCHANTS = (
    "Blue Bottle Coffee", "Trattoria Luigi", "Corner Bookshop", "Netflix", "Spotify", "City Pharmacy", "Deutsche Bahn",
    "Shell Station", "Lidl", "Hardware Store", "Cinema Paris", "Hotel Central", "Dentist Dr Roe", "Garden Centre",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What really happened.

    Attributes:
        day: Of the purchase, counted from `FIRST`; `booked` is when the bank books it.
        only: The side that alone states it, because the other one lost it.
        first_amount: What the bank stated before it corrected the amount.
        withdrawn: The bank took it back.
        pending: The bank stated it as pending first, under another id.
    """

    number: int
    day: int
    booked: int
    amount: Decimal
    merchant: str
    only: str | None = None
    first_amount: Decimal | None = None
    withdrawn: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """How one kind of source states an account.

    Attributes:
        by_purchase: Its day is that of the purchase, else that of the booking.
        renames: It writes payees in a way of its own; `coded`: without a word of their name.
    """

    name: str
    account: Account
    by_purchase: bool
    renames: str
    has_ids: bool = True
    file: str | None = None


def _account(name, **more):
    return Account(external_id="A", name=name, currency="EUR", **more)


KINDS = {
    kind.name: kind
    for kind in (
        SourceKind(
            name="plaid", by_purchase=True, renames="clean",
            account=_account("Everyday Checking", mask="2051", institution_name="First Bank", anchor="plaid:p-1"),
        ),
        SourceKind(
            name="simplefin", by_purchase=False, renames="upper",
            account=_account("Checking", mask="2051", institution_name="First Bank"),
        ),
        SourceKind(
            name="enablebanking", by_purchase=False, renames="long", has_ids=False,
            account=_account("Girokonto", institution_name="First Bank", anchor=f"iban:{IBAN}", mask="2051",
                             id_class=IdClass.NONE),
        ),
        SourceKind(
            name="gocardless", by_purchase=False, renames="upper",
            account=_account("Main account", institution_name="First Bank", anchor=f"iban:{IBAN}", mask="2051"),
        ),
        SourceKind(
            name="ofx", by_purchase=False, renames="cut", file="ofx",
            account=_account("Checking 2051", anchor="hash:ofx-1", mask="2051"),
        ),
        SourceKind(
            name="camt", by_purchase=False, renames="long", file="camt",
            account=_account("Account 2051", anchor=f"iban:{IBAN}", mask="2051"),
        ),
        SourceKind(
            name="csv", by_purchase=False, renames="coded", has_ids=False, file="csv",
            account=_account("transactions.csv", id_class=IdClass.NONE),
        ),
    )
}  # fmt: skip
CHANGED = (20_000, 8_000, 3_000, 1_000)
"""Amounts so far apart that none is another one with a tip."""

PAIRS = [(one, other) for one in KINDS for other in KINDS]
OVERLAPS = (0, 5, 90)


def history(random: Random) -> list[Purchase]:
    """Return purchases of 160 days: one or two a day, equal ones, some that one side alone states.

    Two merchants may take the same sum to the cent, also on days where one source ends and the other begins. In the
    last days before the seam the bank corrects an amount, takes a row back, and has not booked everything.
    """
    found: list[Purchase] = []

    def buy(day: int, amount: str, merchant: str, only: str | None = None) -> None:
        booked = day + random.choice((0, 0, 1, 1, 2, 3))
        found.append(
            Purchase(number=len(found), day=day, booked=booked, amount=Decimal(amount), merchant=merchant, only=only)
        )

    for day in range(LAST):
        for _ in range(random.choice((0, 1, 1, 2))):
            cents = random.randrange(500, 30000)
            buy(day, f"-{cents // 100}.{cents % 100:02}", random.choice(MERCHANTS))
        if day % 7 == 3:  # as many on one day as the coffee machine gave
            for _ in range(random.choice((1, 2, 3))):
                buy(day, "-3.50", "Blue Bottle Coffee")
        if day % 30 == 1:
            buy(day, "2150.00", "Employer GmbH salary")
    # Rare: of a row that the other side never saw, nobody has a second one of the amount, nor one of the merchant.
    for only, merchant in (("old", "Lost and found"), ("new", "Umbrella repair")):
        buy(random.randrange(SEAM - 60, SEAM - 10), f"-{random.randrange(40000, 50000)}.17", merchant, only)
    return found + _changes(len(found), random)


def _changes(number: int, random: Random) -> list[Purchase]:
    """Return purchases near the seam that the bank corrects, takes back and books later."""
    first_amount = Decimal(f"-{random.randrange(30000, 40000)}.18")
    changes = ({"first_amount": first_amount}, {"withdrawn": True}, {"pending": True}, {"pending": True})
    return [
        Purchase(
            number=number + place,
            day=(day := SEAM - (1 if "pending" in change else random.randrange(2, 8))),
            booked=day + random.choice((0, 0, 1, 1, 2, 3)),
            amount=Decimal(f"-{CHANGED[place] + random.randrange(100)}.19"),
            merchant=random.choice(MERCHANTS),
            **change,
        )
        for place, change in enumerate(changes)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A source over some days of the truth: which purchases it states, and how, each with its row."""

    kind: SourceKind
    purchases: Sequence[Purchase]
    rows: Sequence[Transaction]


def state(kind: SourceKind, side: str, truth: Sequence[Purchase], from_day: int, to_day: int) -> Stated:
    """Return what a source of a kind states of the days from `from_day` until before `to_day`."""
    own = [
        one for one in truth
        if one.only in (None, side) and not one.withdrawn and from_day <= _day(kind, one) < to_day
    ]  # fmt: skip
    return Stated(kind=kind, purchases=own, rows=[_row(kind, side, one) for one in own])


def two_sources(one: str, other: str, overlap: int, random: Random) -> tuple[Stated, Stated]:
    """Return the old source, which ends at the seam, and the new one, which goes back so many days before it."""
    truth = history(random)
    old = state(KINDS[one], "old", truth, 0, SEAM)
    return old, state(KINDS[other], "new", truth, SEAM - overlap, LAST)


def told_first(one: str, random: Random) -> Stated:
    """Return the old source as it was told at the seam: not yet corrected, with what was taken back later, or pending.

    With the same random source, it is the same history as in `two_sources`. A file tells nothing but the end.
    """
    kind, truth = KINDS[one], history(random)
    if kind.file is not None:
        return state(kind, "old", truth, 0, SEAM)
    first = [
        replace(one, amount=one.first_amount or one.amount, booked=one.day if one.pending else one.booked)
        for one in truth
        if one.only in (None, "old")
    ]
    own = [one for one in first if 0 <= _day(kind, one) < SEAM]
    return Stated(kind=kind, purchases=own, rows=[_row(kind, "old", one, pending=one.pending) for one in own])


def beside(side: str, kind: SourceKind, random: Random) -> tuple[Account, list[Transaction]]:
    """Return another account of the person at the same bank: its own purchases, and fees of the same amounts."""
    account = replace(
        kind.account, external_id="B", name=f"Savings {side}", mask="7788" if kind.account.mask else None,
        anchor=None if kind.account.anchor is None else kind.account.anchor.replace("202051", "909077") + "-b",
        currency=random.choice(("EUR", "USD")),
    )  # fmt: skip
    rows = [
        Transaction(
            account_id="B", external_id=f"{side}-b{day}", booking_on=FIRST + timedelta(days=day),
            amount=Decimal(random.randrange(-90000, 90000)) / 100, currency=account.currency,
            description=random.choice(MERCHANTS),
        )
        for day in range(0, LAST, 3)
    ]  # fmt: skip
    fees = [
        Transaction(
            account_id="B", external_id=f"{side}-f{day}", booking_on=FIRST + timedelta(days=day),
            amount=Decimal("-3.50"), currency=account.currency, description="Account fee",
        )
        for day in range(10, LAST, 30)
    ]  # fmt: skip
    return account, rows + fees


def _day(kind: SourceKind, one: Purchase) -> int:
    return one.day if kind.by_purchase else one.booked


def _row(kind: SourceKind, side: str, one: Purchase, *, pending: bool = False) -> Transaction:
    return Transaction(
        account_id="A",
        external_id=f"{side}-{kind.name}-{one.number}{'-pending' if pending else ''}" if kind.has_ids else None,
        pending=pending,
        booking_on=FIRST + timedelta(days=_day(kind, one)),
        amount=one.amount,
        currency="EUR",
        description=_words(kind.renames, one),
    )


def _words(how: str, one: Purchase) -> str:
    if how == "upper":
        return f"SQ *{one.merchant.upper().replace(' ', '')} {one.number % 97:04} BERLIN"
    if how == "long":
        return f"Kartenzahlung {one.merchant}//Berlin/DE {one.day:03}"
    if how == "cut":
        return one.merchant.upper()[:9]
    return "KARTENUMSATZ" if how == "coded" else one.merchant
