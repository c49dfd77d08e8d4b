"""Does what an operator asks of a run; the pages of one run and of a filter share it."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import BackgroundTasks
from sqlalchemy.orm import Session

from worker.api.ops.bulk import BulkItem
from worker.api.services import Services
from worker.runs import follow_up_requests
from worker.runs.run_actions import RunAction
from worker.runs.states import RunRequest

BUTTONS: Mapping[RunAction, str] = {
    RunAction.CANCEL: "Cancel",
    RunAction.RETRY: "Ask again",
    RunAction.REVERT: "Take back",
    RunAction.REPLAY: "Try rejected rows again",
}
TABLE = "bank_import_runs"
_REQUESTS: Mapping[RunAction, Callable[[Session, uuid.UUID], RunRequest]] = {
    RunAction.RETRY: follow_up_requests.retry_request,
    RunAction.REVERT: follow_up_requests.revert_request,
    RunAction.REPLAY: follow_up_requests.replay_request,
}


def command_of(action: RunAction) -> str:
    """Return the name of an action in the audit, which is the command that does the same."""
    return "runs replay-rejections" if action is RunAction.REPLAY else f"runs {action}"


def item_of(
    services: Services, action: RunAction, run: Mapping[str, Any], background: BackgroundTasks
) -> BulkItem[uuid.UUID | None]:
    """Return a run with what cancels it, or asks for another run about it and returns its id."""

    def do(session: Session) -> uuid.UUID | None:
        if action is RunAction.CANCEL:
            follow_up_requests.cancel(session, run["id"])
            return None
        return services.ask(session, _REQUESTS[action](session, run["id"]), background)

    return BulkItem(row_id=str(run["id"]), user_id=run["user_id"], do=do)
