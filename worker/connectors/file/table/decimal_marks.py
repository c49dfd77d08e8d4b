"""Decides how the amounts of a table are written: the decimal mark, and how many decimals all have. Pure."""

from dataclasses import replace

from worker.connectors.file.statement.amounts import Mark
from worker.connectors.file.statement.errors import Doubt, StatementError
from worker.connectors.file.table.evidence import TableEvidence
from worker.connectors.file.table.layout import Layout

_STRAY_SHARE = 0.01
_LEAST_ZEROS, _LEAST_FIXED = 2, 4
_DECIMAL = Doubt(field="decimal", text="Which decimal mark do the amounts have?", choices=(".", ","))


def fixed_decimals(seen: TableEvidence) -> int | None:
    """Return the decimals of all amounts but few strays, where written zeros show that none are left out."""
    total = seen.decimals.total()
    if not total:
        return None
    usual, count = seen.decimals.most_common(1)[0]
    strays = total - count
    fixed = usual > 0 and seen.final_zeros >= _LEAST_ZEROS and count >= _LEAST_FIXED
    return usual if fixed and strays <= max(1, total * _STRAY_SHARE) else None


def decide_mark(layout: Layout, seen: TableEvidence) -> Mark:
    """Return the decimal mark of a table. Raises: StatementError with the question where its amounts fit both."""
    if layout.profile.decimal:
        return layout.profile.decimal
    total = sum(seen.marks.values())
    if total:
        mark, count = seen.marks.most_common(1)[0]
        if total - count > max(1, total * _STRAY_SHARE) or count * 2 <= total:
            reason = "some amounts use a decimal point and others a decimal comma: state --decimal"
            raise StatementError(reason, doubts=(_DECIMAL,))
        return mark
    if (thousands := seen.thousands_mark) is not None:
        return "," if thousands == "." else "."
    if seen.undecided is not None:
        reason = f"amounts like '{seen.undecided[:20]}' fit decimal point and comma: state --decimal"
        likelier = (",", ".") if "." in seen.undecided else (".", ",")  # three figures are thousands more often
        raise StatementError(reason, doubts=(replace(_DECIMAL, choices=likelier),))
    return "."
