"""What the records of a whole OFX file say about how each of them is read: marks, signs, corrections."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from worker.connectors.file.statement.amounts import Mark, amount_kind, decimal_evidence
from worker.connectors.file.statement.errors import Doubt, StatementError

OfxDirection = Literal["sign", "word"]

# Types whose money can only have gone one way; banks use all others for both.
OUT_TYPES = frozenset({"DEBIT", "POS", "ATM", "FEE", "SRVCHG", "DIRECTDEBIT"})
IN_TYPES = frozenset({"CREDIT", "DEP", "DIRECTDEP", "DIV"})
# Types of money that leaves a bank account; on a card a payment is money in.
SPENDING_TYPES = frozenset({"PAYMENT", "CHECK", "CASH"})
_TAG = re.compile(
    r"<(?:(TRNTYPE|TRNAMT|TOTAL|FITID|CORRECTFITID)>\s*([^<\r\n]{1,300})|(STMTTRNP?|/STMTTRNP?|INCOME|(?:CC|INV)?STMTRS)>)",
    re.IGNORECASE,
)
_CARD = "CCSTMTRS"
_STATEMENTS = frozenset({"STMTRS", _CARD, "INVSTMTRS"})
_LONGEST_TAG = 400
_MAX_CORRECTIONS = 10_000
_FEW = 10  # a tenth of contrary signs are reversals; more are another meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class OfxReading:
    """How the records of a file are read.

    Attributes:
        mark: Decimal mark that the amounts prove, or that a person states; None where nothing does.
        direction_from: `word` where the type of a record, not its sign, states which way the money went.
        tells_contrary: Whether a sign that contradicts the type of its record is worth a remark.
        corrected: Ids of records of this file that other records of it delete or replace.
        several_statements: Whether rows of one statement may stand in another one, too.
    """

    mark: Mark | None = None
    direction_from: OfxDirection = "sign"
    tells_contrary: bool = False
    corrected: frozenset[str] = frozenset()
    several_statements: bool = False


@dataclass(slots=True)
class _Seen:
    marks: set[Mark] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    negative: int = 0
    positive: int = 0
    agreeing: int = 0
    contrary: int = 0
    with_plus: int = 0
    unsigned_spending: int = 0
    on_card: bool = False
    statements: int = 0
    corrections: set[str] = field(default_factory=set)

    def take(self, record: dict[str, str]) -> None:
        """Count one record."""
        self.on_card = self.on_card or _CARD in record
        self.statements += not _STATEMENTS.isdisjoint(record)
        amount, kind = record.get("TRNAMT") or record.get("TOTAL", ""), record.get("TRNTYPE", "").upper()
        carries = amount_kind(amount)
        if mark := decimal_evidence(amount):
            self.marks.add(mark)
        if (corrected := record.get("CORRECTFITID")) and len(self.corrections) < _MAX_CORRECTIONS:
            self.corrections.add(corrected)
        self.negative += carries == "minus"
        self.positive += carries in {"bare", "plus"}
        self.with_plus += carries == "plus"
        self.unsigned_spending += carries == "bare" and kind in SPENDING_TYPES
        if carries is not None and kind in OUT_TYPES | IN_TYPES:
            self.types.add(kind)
            agrees = (carries == "minus") == (kind in OUT_TYPES)
            self.agreeing += agrees
            self.contrary += not agrees

    @property
    def types_mean_nothing(self) -> bool:
        """Whether one type stands for both directions."""
        return len(self.types) < 2 and self.negative > 0 and self.positive > 0  # noqa: PLR2004 - one type

    def direction(self, stated: str | None) -> OfxDirection:
        """Return what states the direction of money. Raises: StatementError where sign and type contradict."""
        if self.negative or self.with_plus:
            few = self.contrary <= 1 or self.contrary * _FEW <= self.agreeing
        else:  # nothing shows that this file writes signs at all
            few = not self.contrary and (self.on_card or not self.unsigned_spending)
        if (few and stated is None) or self.types_mean_nothing:
            return "sign"
        if stated in {"sign", "word"}:
            return "sign" if stated == "sign" else "word"
        reason = (
            f"the sign of {self.contrary or self.unsigned_spending} amounts contradicts their type (such as DEBIT):"
            " state --direction-from sign or word (the type)"
        )
        question = "What states which way the money went: the sign of the amount, or the type of the record (word)?"
        raise StatementError(reason, doubts=(Doubt(field="direction_from", text=question, choices=("sign", "word")),))


def decide_ofx(open_chunks: Callable[[], Iterable[str]], mark: Mark | None, direction_from: str | None) -> OfxReading:
    """Decide how a file is read from all of its records; what a person states wins.

    Args:
        open_chunks: Opens the text of the file anew each time.
        direction_from: What is stated about contradictions between sign and type.

    Raises: StatementError where the signs of the amounts contradict the types of the records.
    """
    seen = _Seen()
    for record in _records(open_chunks()):
        seen.take(record)
    corrected: frozenset[str] = frozenset()
    if seen.corrections:
        ids = (record.get("FITID", "") for record in _records(open_chunks()))
        corrected = frozenset(one for one in ids if one in seen.corrections)
    proven = next(iter(seen.marks)) if len(seen.marks) == 1 else None
    return OfxReading(
        mark=mark or proven,
        direction_from=seen.direction(direction_from),
        tells_contrary=not seen.types_mean_nothing and direction_from is None,
        corrected=corrected,
        several_statements=seen.statements > 1,
    )


def _records(chunks: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield the few fields of each record that this module looks at."""
    record: dict[str, str] = {}
    for name, value in _fields(chunks):
        if value is None:
            if record:
                yield record
            record = {name: ""} if name in _STATEMENTS else {}
        else:
            record.setdefault(name, value)
    if record:
        yield record


def _fields(chunks: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Yield fields with their values, and the ends of records without one."""
    carried = ""
    for chunk in chunks:
        text = carried + chunk
        end = max(text.rfind("<"), 0)
        for found in _TAG.finditer(text, 0, end):
            yield (found[1] or found[3]).upper(), found[2].strip() if found[1] else None
        carried = text[end:][:_LONGEST_TAG]
    for found in _TAG.finditer(carried):
        yield (found[1] or found[3]).upper(), found[2].strip() if found[1] else None
