"""The connector of the suite's bank is found the way any installed package is: by its entry point."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "loopbank"))
