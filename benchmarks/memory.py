"""Peak memory of one run per MiB of a statement file and of a bank's answer, and what waits in the temporary folder.

    python -m benchmarks.memory

Each import happens in a process of its own, as in a worker for heavy runs, over an embedded Postgres: the largest file
of each format that the API takes, and one answer of the largest size. Prints JSON and keeps it in
benchmarks/results/memory.json.
"""

import argparse
import json
import multiprocessing
import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.results import print_and_keep
from benchmarks.servers import servers
from benchmarks.statement_files import SHAPES, write
from worker.connections.credentials import new_config_values
from worker.connectors.base import Transaction
from worker.connectors.file import FileConfig
from worker.connectors.json_answers import read_json
from worker.connectors.reading import read_rows
from worker.models import BankConnection
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import runtime
from worker.tasks.execution import execute_run

MIB = 1024**2
LARGEST = 32 * MIB


def status_mib(name: str) -> float:
    """Return a figure of this process: VmRSS is what it has, VmHWM the most it ever had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def forget_peak() -> float:
    """Let VmHWM begin anew, and return what the process has now (MiB)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return status_mib("VmRSS")


def import_file(path: Path, temporary: Path, answers: "multiprocessing.Queue[dict[str, Any]]") -> None:
    """Import one file as a worker does."""
    tempfile.tempdir = str(temporary)
    waiting, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.1):  # staged rows are in a file without a name
            staged = [one.stat() for one in Path("/proc/self/fd").iterdir() if _is_staged(one)]
            waiting.append(sum(found.st_blocks * 512 for found in staged))

    with runtime(role="bench") as opened:
        with opened.sessions() as session:
            user_id = session.scalar(
                text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
                {"email": f"{uuid.uuid4().hex}@example.test"},
            )
        row_id = uuid.uuid4()
        values = new_config_values(opened.vault, FileConfig(path=path), connection_id=row_id, user_id=user_id or 0)
        with opened.sessions() as session:
            session.add(BankConnection(id=row_id, user_id=user_id, connector_name="file", display_name="x", **values))
        with opened.sessions() as session:
            run_id = request_run(session, RunRequest(connection_id=row_id, kind=RunKind.REFRESH))
        before = forget_peak()
        watching = threading.Thread(target=look)
        watching.start()
        outcome = execute_run(opened, run_id, worker_name="bench", soft_limit_s=3540)
        over.set()
        watching.join()
    answers.put(
        {
            "rows": outcome.counts.created if outcome else 0,
            "status": outcome.status.value if outcome else "none",
            "peak_mib": round(status_mib("VmHWM")),
            "growth_mib": round(status_mib("VmHWM") - before),
            "temporary_mib": round(max(waiting) / MIB, 1),
        }
    )


def _is_staged(descriptor: Path) -> bool:
    try:
        target = str(descriptor.readlink())
    except OSError:
        return False
    return target.startswith(str(tempfile.tempdir)) and target.endswith("(deleted)")


def read_answer(size: int, answers: "multiprocessing.Queue[dict[str, Any]]") -> None:
    """Read an answer of `size` bytes as connectors do."""
    row = (
        '{"id": "T%09d", "posted": %d, "amount": "-%d.42", "description": "Card payment number %d in a shop",'
        ' "payee": "Shop %d", "memo": null, "pending": false}'
    )
    rows = [row % (n, 1_760_000_000 + n, n % 500, n, n % 997) for n in range(size // 150)]
    content = ('{"transactions": [' + ",".join(rows) + "]}").encode()
    del rows
    before = forget_peak()

    def read(record: Mapping[str, Any]) -> Transaction:
        return Transaction(
            account_id="a", external_id=record["id"], amount=record["amount"], description=record["description"]
        )

    found, _ = read_rows(read_json(content)["transactions"], read, account_id="a", id_field="id")
    answers.put(
        {"rows": len(found), "mib": round(len(content) / MIB, 1), "growth_mib": round(status_mib("VmHWM") - before)}
    )


def apart(work: Callable[..., None], *arguments: object) -> dict[str, Any]:
    """Do something in a fresh process and return its answer."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=work, args=(*arguments, answers))
    process.start()
    found: dict[str, Any] = answers.get(timeout=3600)
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", nargs="*", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--mib", type=int, default=LARGEST // MIB, help="Size of each file (MiB).")
    options = parser.parse_args()
    result: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "files": {}, "answers": []}
    result["answers"] = [apart(read_answer, size * MIB) for size in (1, 8, 20)]
    with servers(durable=False) as local:
        for name in options.formats:
            path = local.home / f"statement.{name}"
            size = options.mib * MIB
            written = write(path, SHAPES[name], size)
            found = apart(import_file, path, local.home)
            found |= {"file_mib": options.mib, "lines": written}
            found["mib_per_mib"] = round(found["growth_mib"] / options.mib, 2)
            result["files"][name] = found
            print(name, json.dumps(found), flush=True)
            path.unlink()
    print_and_keep("memory", result)


if __name__ == "__main__":
    main()
