"""Decides which way the money of each row went, from the signs, marks, words and columns of a whole table. Pure.

What a table may mean in several ways is a doubt. What a person states settles it, else the reading that the column of
balances agrees with best, else what tables of the kind usually mean; where nothing does, the table is refused with the
question.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from typing import Any, Literal, cast

from worker.connectors.file.statement.amounts import AmountKind, amount_kind, has_direction_mark
from worker.connectors.file.statement.errors import Doubt, StatementError
from worker.connectors.file.table.running_balance import LineDirections, ReadingProof

Direction = Literal["in", "out"]
DirectionFrom = Literal["word", "reversal", "sign"]
_SignField = Literal["positive_is", "said_out", "said_in"]

_LEAST_ROWS = 3
_WAYS: tuple[Direction, ...] = ("in", "out")
_QUESTIONS = {
    "positive_is": "Which way did positive amounts go?",
    "direction_from": "What does a minus mean where the row states its direction besides (word: nothing more,"
    " reversal: the other way, sign: it alone counts)?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignReading:
    """How the direction of an amount is read.

    Attributes:
        positive_is: Which way a positive amount went that no mark, word or column directs.
        said_out: What a minus or credit mark means where a word or column says money out.
        said_in: What a minus or debit mark means where a word or column says money in.
        plus_is_in: Whether a plus directs its amount: it stands on some, and no amount carries a minus.
        lines: Directions of rows without signs that only their balances tell; None for all other tables.
    """

    positive_is: Direction = "in"
    said_out: DirectionFrom = "word"
    said_in: DirectionFrom = "word"
    plus_is_in: bool = False
    lines: LineDirections | None = None

    def signed(self, value: Decimal, text: str, said: Direction | None) -> Decimal:
        """Return an amount with the sign of its direction: negative = money out.

        Args:
            value: The amount, negative for a minus or a debit mark.
            said: What a word or column of the row says.
        """
        if not value:
            return value
        if said is None:
            directed = has_direction_mark(text) or (self.plus_is_in and amount_kind(text) == "plus")
            return -value if self.positive_is == "out" and not directed else value
        means = self.said_out if said == "out" else self.said_in
        if means == "sign":
            return value
        straight = abs(value) if said == "in" else -abs(value)
        if means == "word":
            return straight
        taken_back = value > 0 if said == "out" and has_direction_mark(text) else value < 0
        return -straight if taken_back else straight


@dataclass(slots=True)
class AmountKinds:
    """What the amounts of one direction carry.

    Attributes:
        bare: Figures of the amounts that agree with the direction.
        against: Figures of those with a minus or a contrary mark.
    """

    kinds: Counter[AmountKind] = field(default_factory=Counter)
    bare: set[str] = field(default_factory=set)
    against: set[str] = field(default_factory=set)

    def contrary(self, said: Direction) -> int:
        """Return how many carry a minus, or a mark that contradicts the direction."""
        return self.kinds["minus"] + self.kinds["credit_mark" if said == "out" else "debit_mark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignDoubt:
    """One thing that a table may mean in several ways.

    Attributes:
        usual: What tables of the kind mean; None where only a person can tell.
        provable: Whether a column of balances can settle it.
        reason: The sentence of the refusal.
    """

    field: _SignField
    choices: tuple[str, ...]
    usual: str | None
    reason: str
    provable: bool = True

    @property
    def config_key(self) -> str:
        """Key of the config that settles it."""
        return "positive_is" if self.field == "positive_is" else "direction_from"


def directs_by_plus(kinds: Mapping[AmountKind, int]) -> bool:
    """Return whether a plus sets amounts apart from others without a sign, as no amount carries a minus."""
    return bool(kinds.get("plus") and kinds.get("bare") and not kinds.get("minus"))


def undirected_doubt(kinds: Mapping[AmountKind, int], card: str | None, *, by_title: bool = False) -> SignDoubt | None:
    """Return the doubt about amounts that no word or column directs; None where every one states its direction.

    Args:
        card: What says that the table is of a card.
        by_title: Whether only a title says so: then purchases are what most rows are.
    """
    bare, minus, credit = (kinds.get(kind, 0) for kind in ("bare", "minus", "credit_mark"))
    marked = credit + kinds.get("debit_mark", 0)
    usual: Direction | None = None
    if (kinds.get("plus") and not directs_by_plus(kinds)) or not (bare or minus) or (marked and not bare):
        return None
    if directs_by_plus(kinds):
        reason = f"{bare} amounts stand without a sign beside others with a plus: state --positive-is for them"
    elif marked:
        reason = f"{bare} amounts stand without DR or CR beside others that carry one: state --positive-is for them"
        usual = None if credit else "in"
    elif not minus:
        reason = (
            "all amounts are positive and nothing says which way the money went: state --positive-is, or the column"
            " that says it with --column NAME=type"
        )
    elif card is not None and bare and (bare >= minus or not by_title):
        reason = f"{card}: purchases may be the positive amounts; state --positive-is in or out"
    else:
        reason = (
            f"{bare} amounts are positive and {minus} negative: purchases may be the positive ones, as on cards; state"
            " --positive-is in or out"
        )
        usual = None if minus + bare >= _LEAST_ROWS and minus < bare else "in"
    is_owed = (
        card is not None and minus > 0 and usual is None
    )  # a balance of a card may be what is owed, and proves no direction
    likelier = _WAYS[::-1] if card is not None and usual is None else _WAYS
    return SignDoubt(field="positive_is", choices=likelier, usual=usual, reason=reason, provable=not is_owed)


def directed_doubt(amounts: AmountKinds, said: Direction, *, by_column: str | None) -> SignDoubt | None:
    """Return the doubt about a minus or mark beside amounts that a word or a column directs; None where none is.

    Args:
        by_column: Name of the column of money out or in; None where a word in the row says it.
    """
    total, against = amounts.kinds.total(), amounts.contrary(said)
    repeats = said == "out" and against == total == amounts.kinds["minus"]
    if not against or repeats:
        return None
    twins = bool(amounts.against) and amounts.against <= amounts.bare
    where = f"column '{by_column}'" if by_column else f"rows that say money {said}"
    return SignDoubt(
        field="said_out" if said == "out" else "said_in",
        choices=("word", "reversal", "sign") if said == "out" else ("word", "reversal"),
        usual="reversal" if by_column and (twins or against * 2 < total) else None,
        reason=f"{against} of {total} amounts in {where} carry a minus or the contrary mark: state --direction-from",
    )


def decide_signs(
    reading: SignReading,
    doubts: Sequence[SignDoubt],
    stated: Mapping[str, str | None],
    prove: Callable[[SignReading], ReadingProof | None],
) -> SignReading:
    """Settle every doubt.

    Args:
        reading: What is sure.
        doubts: What is not.
        stated: What a person states, by key of the config.
        prove: Says how well a reading agrees with the balances; None where they prove nothing.

    Raises: StatementError with the question where nothing settles a doubt.
    """
    answers = {one.field: stated.get(one.config_key) for one in doubts}
    if answers.get("said_in") == "sign":
        answers["said_in"] = "reversal"  # a minus beside a word for money in means the same either way
    given = {one.field: answers[one.field] for one in doubts if answers[one.field] in one.choices}
    reading = replace(reading, **cast("dict[str, Any]", given))
    open_doubts = [one for one in doubts if one.field not in given]
    proven = _proven(reading, [one for one in open_doubts if one.provable], prove)
    for one in open_doubts:
        by_balances = getattr(proven, one.field) if proven is not None and one.provable else None
        if one.field == "positive_is" and by_balances == "out" and one.usual == "in":
            raise StatementError(
                "most amounts are negative and each raises the balance: it may be what is owed, or the signs may be"
                " turned round; state --positive-is in or out",
                doubts=(_question(one),),
            )
        answer = by_balances or one.usual
        if answer is None:
            raise StatementError(one.reason, doubts=(_question(one),))
        reading = replace(reading, **cast("dict[str, Any]", {one.field: answer}))
    return reading


def _question(doubt: SignDoubt) -> Doubt:
    return Doubt(field=doubt.config_key, text=_QUESTIONS[doubt.config_key], choices=doubt.choices)


def _readings(reading: SignReading, doubts: Sequence[SignDoubt]) -> Iterator[SignReading]:
    fields = [one.field for one in doubts]
    for answers in product(*(one.choices for one in doubts)):
        yield replace(reading, **cast("dict[str, Any]", dict(zip(fields, answers, strict=True))))


def _proven(
    reading: SignReading, doubts: Sequence[SignDoubt], prove: Callable[[SignReading], ReadingProof | None]
) -> SignReading | None:
    """Return the one reading that the balances agree with in more rows than with any other."""
    if not doubts:
        return None
    asked_way = any(one.field == "positive_is" for one in doubts)
    found: list[tuple[tuple[int, bool], SignReading]] = []
    for candidate in _readings(reading, doubts):
        proof = prove(candidate)
        if proof is not None and proof.sure and not (asked_way and proof.order.flipped):
            found.append(((proof.agreeing, not proof.order.flipped), candidate))
    most = max((score for score, _ in found), default=None)
    best = [candidate for score, candidate in found if score == most]
    return best[0] if len(best) == 1 else None
