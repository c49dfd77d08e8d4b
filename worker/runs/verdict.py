"""What an error means for a run. Pure; the engine's own outcomes are not seen here, only what escaped from it."""

from worker.connectors.errors import RateLimitError
from worker.errors import CancelRequestedError, KeyProviderUnavailableError, WorkerError
from worker.runs.states import Outcome, RunStatus

QUOTA_WAIT_S = 3600.0
"""How long a run waits that was told to wait but not for how long."""

KEY_PROVIDER_WAIT_S = 300.0


def verdict(error: Exception) -> Outcome:
    """Return how a run ends that ended with `error`; anything that is no WorkerError is a defect of ours."""
    match error:
        case CancelRequestedError():
            return Outcome(status=RunStatus.CANCELLED, code=error.code)
        case RateLimitError():
            return _deferred(error, error.retry_after_s or QUOTA_WAIT_S)
        case KeyProviderUnavailableError():
            return _deferred(error, KEY_PROVIDER_WAIT_S)
        case WorkerError():
            return Outcome(status=RunStatus.FAILED, code=error.code, message=str(error))
        case _:
            # The message of a foreign error may hold anything; the log keeps it, the row names its kind.
            return Outcome(status=RunStatus.FAILED, code="internal", message=type(error).__name__)


def _deferred(error: WorkerError, defer_s: float) -> Outcome:
    return Outcome(status=RunStatus.DEFERRED, code=error.code, message=str(error), defer_s=defer_s)
