"""One part of a run that is spread over places, in a process of its own: ``python -m bench.commands.shared.part``. The
order and the place stand in its standard input; the exit code is the part's own.
"""

from __future__ import annotations

import signal
import sys

from pydantic import TypeAdapter

from bench.commands.order import Order
from bench.commands.shared.keeper import Wanted
from bench.commands.supervise import supervise
from bench.commands.terminal import terminal
from bench.errors import BenchError
from bench.interruption import WAYS_OUT

PART: TypeAdapter[tuple[Order, Wanted]] = TypeAdapter(tuple[Order, Wanted])


def main() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, WAYS_OUT)    # until the run knows how to end in order
    order, wanted = PART.validate_json(sys.stdin.buffer.read())
    try:
        return supervise(order, terminal(), wanted=wanted)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
