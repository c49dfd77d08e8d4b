"""The demo: told to nobody in particular, and a judge who is not convinced."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from tests.waiting import PATIENCE_S
from worker.local.demo.run import DemoError, _judge
from worker.local.demo.story import Claim
from worker.local.demo.telling import Teller


@pytest.mark.processes
def test_the_whole_story_holds_and_nothing_is_left_behind(home: Path) -> None:
    program = Path(sys.executable).parent / "finmind-worker"
    of_a_real_worker = {
        "DATABASE_URL": "postgresql://nobody@nowhere/none",
        "BROKER_URL": "amqp://nobody@nowhere/",
        "CREDENTIAL_KEYS": "of:another",
        "STATEMENT_FOLDER": "/nowhere",
        "TICK_S": "600",
    }
    (home / ".env").write_text("REDIS_URL=redis://nowhere\nCREDENTIAL_KMS_KEYS=of=another\n")
    told = subprocess.run(
        [str(program), "demo"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(home)} | of_a_real_worker,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("✓") == 7
    assert "\x1b" not in told.stdout
    assert told.stderr == ""
    assert [path.name for path in home.iterdir()] == [".env"]
    assert not [process for process in psutil.process_iter() if str(home) in " ".join(_command(process))]


def test_one_claim_that_does_not_hold_fails_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(Console(highlight=False, soft_wrap=True))
    with pytest.raises(DemoError, match="1 of 2 claims do not hold: pigs fly"):
        _judge(teller, [Claim(words="water is wet", holds=True), Claim(words="pigs fly", holds=False)])
    assert "NOT SO: pigs fly" in capsys.readouterr().out


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
