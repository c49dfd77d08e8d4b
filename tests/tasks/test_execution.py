"""How a run ends whose engine raised."""

import errno

import pytest

from worker.errors import CancelRequestedError, NotFoundError
from worker.tasks.execution import outcome_of_error


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (CancelRequestedError("run 1 was cancelled"), ("cancelled", "cancelled", None)),
        (NotFoundError("no connection 7"), ("failed", "not_found", "no connection 7")),
        (ValueError("account 4711, balance 12.00"), ("failed", "internal", "ValueError")),
    ],
    ids=["cancelled", "an error of ours says why", "a foreign error shows its class only"],
)
def test_an_error_that_left_the_engine_ends_the_run(error, ending):
    outcome = outcome_of_error(error)
    assert (outcome.status, outcome.code, outcome.message) == ending
    assert outcome.defer_s is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["a full disk", "a used-up quota"])
def test_a_run_without_temporary_space_waits_and_is_tried_again(number):
    outcome = outcome_of_error(OSError(number, "No space left on device"))
    assert (outcome.status, outcome.code, outcome.defer_s) == ("deferred", "disk_full", 60)
