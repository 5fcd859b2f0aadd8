"""Whether the long forms are asked for (``make perf``), or the short ones that end within seconds (``make tests``)."""

import os

LONG = os.environ.get("MCM_BENCH_LONG") == "1"
