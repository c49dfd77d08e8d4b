"""A process that forbade core dumps leaves none, and neither do its forks."""

import subprocess
import sys

PROGRAM = """
import ctypes, os, resource, sys
from worker.process.core_dumps import forbid_core_dumps
forbid_core_dumps()
if os.fork() == 0:
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else 0
    print(resource.getrlimit(resource.RLIMIT_CORE), dumpable, flush=True)
    os.abort()
print(os.WCOREDUMP(os.wait()[1]))
"""


def test_a_crash_leaves_no_core_file(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.splitlines() == ["(0, 0) 0", "False"]
    assert list(tmp_path.iterdir()) == []
