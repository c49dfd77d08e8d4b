"""Every recording in this folder decides what was recorded; those of a subfolder run one after the other."""

from pathlib import Path

import pytest

from worker.connectors.registry import ConnectorRegistry
from worker.recordings.recording import read
from worker.recordings.replay import ReplayBench

HERE = Path(__file__).parent
ALONE = [[path] for path in sorted(HERE.glob("*.json"))]
IN_ORDER = [sorted(folder.glob("*.json")) for folder in sorted(HERE.iterdir()) if folder.is_dir()]
ALL = [paths for paths in ALONE + IN_ORDER if paths]


@pytest.mark.parametrize("paths", ALL, ids=[paths[0].relative_to(HERE).as_posix() for paths in ALL])
def test_a_recording_decides_what_was_recorded(sessions, paths):
    bench = ReplayBench(sessions=sessions, find_connector=ConnectorRegistry().get)
    for path in paths:
        assert bench.replay(read(path.read_text(encoding="utf-8"))).differences == [], path.name
