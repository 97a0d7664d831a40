"""What the benchmarks share: reporting, servers, the load generator, PostgreSQL with data."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A benchmark is run as a file, so only its own folder is on the path; `tests.support` is beside it.
sys.path.insert(0, str(ROOT))
