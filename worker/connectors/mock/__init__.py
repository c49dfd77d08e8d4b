"""`mock`: a made-up bank for demos, tests and benchmarks; needs no network and is deterministic.

What a day holds depends on the seed and the day alone, so moving the window never changes a row. See `config` for
its modes and `bank` for what happens there.
"""

from worker.connectors.mock.config import MockConfig, MockMode
from worker.connectors.mock.connector import MockConnector

__all__ = ["MockConfig", "MockConnector", "MockMode"]
