"""Decides the rows of a slice before anybody looked what is stored: as if nothing were, as of a first import.

Deciding is pure, so it may be done in a thread while the server writes the slice before. What is decided so is used
where what it was decided from turns out to be so.
"""

from dataclasses import dataclass

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.decisions import RowRules
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.plan import Plan, make_plan
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.slice_matches import (
    CorrectedMatches,
    RowsInFull,
    SliceMatches,
    correct_matches,
    match_slice,
)
from worker.importer.decide.slice_rows import SliceRows


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedAsNew:
    """The decisions about a slice of which nothing is stored, for a user who has nothing that its rows may be.

    Attributes:
        full: The stored rows that they follow from: none.
        evidence: What the plan is made from besides.
    """

    rows: SliceRows
    found: SliceMatches
    full: RowsInFull
    corrected: CorrectedMatches
    evidence: Evidence
    plan: Plan


def decide_as_new(
    rows: SliceRows, coverage: Coverage, context: ReadContext, rules: RowRules, *, only_changes: bool
) -> DecidedAsNew:
    """Decide about the rows of a slice as if nothing were stored.

    Args:
        rows: Read as those of which nothing is stored.
        only_changes: The delivery has every change since the cursor.
    """
    found = match_slice(rows, coverage, context, rules)
    full = RowsInFull(by_id={}, named={})
    corrected = correct_matches(found, full, coverage, rules)
    evidence = Evidence(coverage=coverage, only_changes=only_changes)
    plan = make_plan(corrected.matches, evidence, rules)
    return DecidedAsNew(rows=rows, found=found, full=full, corrected=corrected, evidence=evidence, plan=plan)
