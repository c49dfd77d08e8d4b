"""A line of the log has FinMind's shape, and nothing in it that must not be there."""

import json
import subprocess
import sys
import textwrap

PROGRAM = textwrap.dedent(
    """
    import logging
    import structlog
    from worker.telemetry.logs import get_logger, setup_logging

    setup_logging(json=True)
    with structlog.contextvars.bound_contextvars(run_id="r-1"):
        get_logger("worker.tasks.imports").info("run.finished", created=3, access_token="s3cret", args=["4711"])
    logging.getLogger("other").warning("plain %s", "line")
    try:
        1 / 0
    except ZeroDivisionError:
        get_logger("worker.tasks.imports").exception("run.broke_off")
    """
)


def test_json_lines_in_the_shape_of_finminds():
    written = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=120
    ).stderr
    first, second, third = (json.loads(line) for line in written.splitlines())
    assert first.keys() >= {"timestamp", "level", "logger", "message", "run_id"}
    assert (first["logger"], first["level"], first["message"]) == ("worker.tasks.imports", "info", "run.finished")
    assert (first["run_id"], first["created"]) == ("r-1", 3)
    assert "s3cret" not in written
    assert "4711" not in written
    assert (second["logger"], second["message"]) == ("other", "plain line")
    assert "run_id" not in second
    assert "ZeroDivisionError" in str(third)
