"""Decides whether a new source is an account that the user has already, may be one, or is another. Pure.

An equal anchor decides; so do rows: a list of payments is as good as a fingerprint when enough of them agree. Last
digits, names and institutions are hints. A hint alone never joins anything: it makes a question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worker.importer.decide.accounts.row_agreement import RowAgreement, compare_rows
from worker.importer.decide.compare.text_similarity import ALIKE, similarity
from worker.importer.decide.sources.rows import SourceRow

AGREEING_SHARE = 0.8
POSSIBLE_SHARE = 0.5
MIN_AGREEING = 4
"""So many rows of different amounts that name the same merchants on the same days are no coincidence."""

MIN_AMOUNTS = 3
MIN_AMOUNTS_LATER = 3
"""Two accounts are compared again when rows that a run added to one of them have so many amounts of the other."""

MIN_AGREEING_RENAMED = 8
"""So many are no coincidence even where the two sources name no merchant alike."""

MIN_AMOUNTS_RENAMED = 6
MAX_GAP_DAYS = 31
"""A source of the same name that ends so many days before the other begins may be its past."""

ADJOINING_DAYS = 7
"""One that ends so few days before it may be its past whatever it is called."""


class Recognition(StrEnum):
    """Whether a source is an account."""

    SAME = "same"
    MAYBE = "maybe"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What is known of one side: of a new source, or of an account with its sources.

    Attributes:
        anchors: What never changes of it, as `kind:value`.
        masks: Last digits, without those that name two accounts of one connection.
        named_masks: Last digits with the name of the account: no connection has two of one name and digits.
        names: What its sources call it.
        connectors: The connectors of its sources.
        served: Whether a source of it still delivers; of an account that none serves, a new source is likely.
        rows: What it is compared by, in any order.
    """

    anchors: frozenset[str] = frozenset()
    masks: frozenset[str] = frozenset()
    named_masks: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[str] = frozenset()
    institutions: frozenset[str] = frozenset()
    currency: str | None = None
    connectors: frozenset[str] = frozenset()
    served: bool = True
    rows: Sequence[SourceRow] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvidence:
    """What was decided about a source and an account, and by what.

    Attributes:
        sentences: The evidence for a user, strongest first.
        strength: To compare several accounts that a source may be.
    """

    verdict: Recognition
    sentences: tuple[str, ...] = ()
    agreement: RowAgreement = field(default_factory=RowAgreement)
    strength: tuple[float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a suggestion keeps it."""
        return {
            "evidence": list(self.sentences),
            "agreeing_rows": self.agreement.agreeing,
            "overlap_rows": self.agreement.rows,
        }


def recognise(new: AccountFacts, known: AccountFacts) -> AccountEvidence:
    """Decide whether a new source is a known account of the same user."""
    if new.currency and known.currency and new.currency != known.currency:
        return AccountEvidence(verdict=Recognition.OTHER)
    if new.anchors & known.anchors:
        return AccountEvidence(
            verdict=Recognition.SAME, sentences=("both state the same account number",), strength=(9.0,)
        )
    if anchors_contradict(new, known):
        return AccountEvidence(verdict=Recognition.OTHER)
    rows = compare_rows(new.rows, known.rows)
    hints = _Hints.of(new, known)
    return AccountEvidence(
        verdict=_verdict(new, known, rows, hints),
        sentences=tuple(_sentences(new, known, rows, hints)),
        agreement=rows,
        strength=(rows.share if rows.agreeing else 0.0, float(hints.same_mask), float(hints.same_name), rows.alike),
    )


def best(found: Sequence[tuple[int, AccountEvidence]]) -> tuple[int, AccountEvidence] | None:
    """Return the account that a source is, or may be; None when it is none of them.

    When two accounts fit equally well, the user is asked.
    """
    for verdict in (Recognition.SAME, Recognition.MAYBE):
        fitting = sorted(
            ((key, evidence) for key, evidence in found if evidence.verdict == verdict),
            key=lambda pair: pair[1].strength,
            reverse=True,
        )
        if fitting:
            key, evidence = fitting[0]
            if len(fitting) > 1 and fitting[1][1].strength == evidence.strength:
                return key, AccountEvidence(
                    verdict=Recognition.MAYBE, sentences=evidence.sentences, agreement=evidence.agreement
                )
            return key, evidence
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hints:
    same_mask: bool
    other_mask: bool
    same_name: bool
    same_institution: bool
    other_institution: bool

    @classmethod
    def of(cls, new: AccountFacts, known: AccountFacts) -> "_Hints":
        same_institution = _any_alike(new.institutions, known.institutions)
        return cls(
            same_mask=bool(new.masks & known.masks or new.named_masks & known.named_masks),
            other_mask=bool(new.masks and known.masks and not new.masks & known.masks),
            same_name=_any_alike(new.names, known.names),
            same_institution=same_institution,
            other_institution=bool(new.institutions and known.institutions and not same_institution),
        )


def _verdict(new: AccountFacts, known: AccountFacts, rows: RowAgreement, hints: _Hints) -> Recognition:
    if not new.rows or not known.rows:
        if not (hints.same_mask and hints.same_name) or hints.other_institution:
            return Recognition.OTHER
        return Recognition.SAME if hints.same_institution else Recognition.MAYBE
    if rows.gap_days is not None:
        return _verdict_without_common_days(rows, hints)
    if _rows_decide(rows, hints):
        return Recognition.SAME
    named = hints.same_name and (hints.same_mask or hints.same_institution) and not hints.other_mask
    possible = (
        not known.served and rows.rows > 0 and rows.alike == rows.rows,
        rows.share >= POSSIBLE_SHARE and (rows.agreeing >= MIN_AGREEING or hints.same_mask),
        rows.continues and (rows.agreeing > 0 or rows.rows < MIN_AGREEING) and not hints.other_mask,
        rows.short and rows.share >= AGREEING_SHARE and rows.amounts > 1 and not hints.other_mask,
        rows.alike == rows.rows and rows.amounts > 1 and not hints.other_mask,  # few, but without exception
        named and not hints.other_institution,
    )
    return Recognition.MAYBE if any(possible) else Recognition.OTHER


def _rows_decide(rows: RowAgreement, hints: _Hints) -> bool:
    """Return whether the rows, with the hints, leave no doubt."""
    if rows.share < AGREEING_SHARE or not rows.agreeing:
        return False
    certain = rows.agreeing >= MIN_AGREEING and rows.amounts >= MIN_AMOUNTS and rows.alike >= rows.rows * AGREEING_SHARE
    if hints.other_mask:  # a replaced card, whose rows are those of the old one without exception
        return certain and rows.alike == rows.rows and hints.same_name and not hints.other_institution
    if hints.same_mask and hints.same_name and not hints.other_institution:
        return True
    if hints.same_mask and hints.same_institution:
        return True
    many = rows.agreeing >= MIN_AGREEING_RENAMED and rows.amounts >= MIN_AMOUNTS_RENAMED
    return many if hints.other_institution else certain or many


def _verdict_without_common_days(rows: RowAgreement, hints: _Hints) -> Recognition:
    if hints.other_mask or hints.other_institution:
        return Recognition.OTHER
    most = MAX_GAP_DAYS if hints.same_name else ADJOINING_DAYS
    near = rows.gap_days is not None and rows.gap_days <= most
    return Recognition.MAYBE if hints.same_mask or near else Recognition.OTHER


def _sentences(new: AccountFacts, known: AccountFacts, rows: RowAgreement, hints: _Hints) -> list[str]:
    said = []
    if rows.rows and rows.gap_days is None:
        said.append(f"{rows.agreeing} of {rows.rows} rows of {rows.from_on} to {rows.to_on} agree")
    elif rows.gap_days is not None:
        said.append(f"no day is in both: {rows.gap_days} days lie between them")
    if hints.same_mask:
        equal = new.masks & known.masks or {mask for mask, _ in new.named_masks & known.named_masks}
        said.append(f"the last digits are equal ({min(equal)})")
    elif hints.other_mask:
        said.append(f"the last digits differ ({min(new.masks)}, {min(known.masks)})")
    said.append("the names are alike" if hints.same_name else "the names differ")
    if hints.same_institution or hints.other_institution:
        said.append("the institutions are alike" if hints.same_institution else "the institutions differ")
    if new.currency and new.currency == known.currency:
        said.append(f"both are in {new.currency}")
    return said


def anchors_contradict(new: AccountFacts, known: AccountFacts) -> bool:
    """Return whether both state an account number of one kind, and not the same one.

    A hash is of bank and number, and connectors write banks differently: only those of one connector are compared.
    """
    for anchor in new.anchors:
        kind = anchor.partition(":")[0] if ":" in anchor else ""
        of_kind = [other for other in known.anchors if (other.partition(":")[0] if ":" in other else "") == kind]
        if of_kind and (kind != "hash" or new.connectors & known.connectors):
            return True
    return False


def _any_alike(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return any(one.casefold() == other.casefold() or similarity(one, other) > ALIKE for one in ours for other in theirs)
