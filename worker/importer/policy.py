"""The numbers of an import that do not depend on a connection: days, rows at a time, tries."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPolicy:
    """Settings of an import.

    Attributes:
        overlap_days: How far a refresh without a cursor looks back.
        history_days: How far a first import looks back.
        slice_rows: Rows planned and written at a time.
        burst_tries: How often a request is made that meets a burst rate limit.
        burst_total_s: How long these tries may take together.
        cursor_restarts: How often a delivery is begun whose cursor the provider voids.
    """

    overlap_days: int = 45
    history_days: int = 730
    slice_rows: int = 20_000
    burst_tries: int = 3
    burst_total_s: float = 30.0
    cursor_restarts: int = 3
