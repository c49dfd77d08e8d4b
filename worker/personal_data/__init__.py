"""Export and erasure of one person's data, and the search that proves the erasure."""

from worker.personal_data.archive import archive
from worker.personal_data.erasure import DataStores, Erased, ErasurePlan, erase, plan_erasure
from worker.personal_data.traces import Trace

__all__ = [
    "DataStores",
    "Erased",
    "ErasurePlan",
    "Trace",
    "archive",
    "erase",
    "plan_erasure",
]
