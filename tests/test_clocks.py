"""Which modules read the clock of their host. Whatever Postgres dates is compared with the clock of Postgres."""

import re
from pathlib import Path

import worker

_READS = re.compile(r"\b(?:datetime\.(?:now|utcnow|today)|date\.today|time\.time(?:_ns)?)\(")

OF_THE_HOST = {
    "api/accounts.py": "which day it is, for months of an overview",
    "api/ops/accounts.py": "which day it is, for months of an overview",
    "api/rate_limit.py": "the limiter's own windows, which are of this clock",
    "api/uploads.py": "the age of this host's files",
    "celery_hooks/components.py": "read once, when the process starts; beat goes on by the monotonic clock",
    "cli/accounts.py": "which day it is, for months of an overview",
    "cli/manifest_trial.py": "which day is asked of a bank",
    "connectors/manifest/checking/questions.py": "which day is asked of a bank",
    "credentials/access_tokens.py": "when a token that was issued elsewhere ends",
    "credentials/local.py": "the name of a new key",
    "db/uuid7.py": "where a new id lies in an index",
    "finmind_cache.py": "which month FinMind keeps summaries of",
    "local/demo/story.py": "which days the demo tells of",
    "personal_data/archive.py": "when an archive was made, for its reader",
    "process/heartbeat_files.py": "the age of this host's files; one of the future does not count",
    "runtime.py": "which day is asked of a bank, and when its tokens end",
    "tasks/execution.py": "when a recording begins, for its reader",
    "tasks/import_context.py": "which day it is at the bank",
    "tasks/open_connector.py": "when tokens of a bank end",
    "webhooks/signed_events.py": "the moment that a signature states",
    "webhooks/transport.py": "how long a receiver asks to wait, as a moment of its own",
    "webhooks/verify.py": "the moment that a signature states",
}


def test_no_lease_history_or_link_ends_by_the_clock_of_a_host():
    root = Path(worker.__file__).parent
    reading = {str(path.relative_to(root)) for path in root.rglob("*.py") if _READS.search(path.read_text("utf-8"))}
    assert reading == set(OF_THE_HOST), "compare with func.now(), or say here why the host's clock is the right one"
