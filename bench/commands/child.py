"""The process that a run happens in: ``supervise`` starts it, and outlives it.

As a program: ``python -m bench.commands.child LIFELINE PROGRESS TRACE [LOCK...]``, all of them descriptors. The order
is the first line that comes through the lifeline. The parent never closes that: its end is the parent's end.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
import time

from pydantic import TypeAdapter

from bench.commands.order import EXIT_CODES, Order
from bench.commands.progress import Progress
from bench.commands.terminal import terminal
from bench.interruption import interrupt

DEAF_PATIENCES = 4
"""A process in which no Python has run for so many times an order's patience has hung for good."""


def main(lifeline: int, progress: Progress, trace: int) -> int:
    """Run what the parent orders. The exit code of the verdict once everything is written, else that of an error."""
    faulthandler.enable(trace)                       # where it crashed; no values, so no keys
    faulthandler.register(signal.SIGUSR1, trace)     # where it hangs, even when Python itself does
    try:
        from bench.commands.run import conduct

        order = TypeAdapter(Order).validate_json(_first_line(lifeline))
        threading.Thread(target=_outlive, args=(lifeline, trace, order), daemon=True).start()
        record = conduct(order, terminal(), progress)
    except BaseException as error:    # of any class: the parent writes the record
        progress.fault(f"the bench failed: {type(error).__name__}: {error}")
        return 2
    progress.done(record.verdict)
    return EXIT_CODES[record.verdict]


def _first_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 65536)
        if not part:
            raise EOFError("the parent process has gone")
        line += part
    return line


def _outlive(lifeline: int, trace: int, order: Order) -> None:
    """When the parent has gone, end in order; and if the main thread can't any more, be the one that makes safe. Where
    not even this thread can, since something in C never lets go of the interpreter, the process ends: it must not hold
    the station for ever."""
    def i_live() -> None:
        faulthandler.dump_traceback_later(DEAF_PATIENCES * order.patience_s, exit=True, file=trace)

    i_live()
    while not select.select([lifeline], [], [], order.patience_s / 2)[0]:
        i_live()
    interrupt("because its parent process has gone")
    time.sleep(order.patience_s)
    if order.file is None:
        os._exit(2)
    # Another program in this process: all threads are gone, all ports closed, and what is open by inheritance, the
    # station's lock, is still held.
    os.execv(sys.executable, [sys.executable, "-m", "bench.commands.safe_state", order.file.model_dump_json()])


if __name__ == "__main__":
    descriptors = [int(argument) for argument in sys.argv[1:]]
    for descriptor in descriptors[:3]:
        os.set_inheritable(descriptor, False)
    code = main(descriptors[0], Progress(descriptors[1]), descriptors[2])
    os._exit(code)    # no thread that still hangs, and nothing that a library does on its way out, may change it
