"""A process that was told to stop and waits for what never comes ends all the same, and says where it stood."""

import subprocess
import sys

WAITS_FOR_EVER = """
import threading
from worker.process.stop_deadline import exit_when_overdue

def wait_for_what_never_comes():
    threading.Event().wait()

exit_when_overdue(0.05)
wait_for_what_never_comes()
"""


def test_a_process_that_does_not_stop_ends_and_says_where_it_stood():
    ended = subprocess.run([sys.executable, "-c", WAITS_FOR_EVER], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "wait_for_what_never_comes" in ended.stderr
