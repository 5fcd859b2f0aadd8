"""From the start of ``mcm-bench serve`` to its end in order."""

from __future__ import annotations

import logging
import signal
import sys
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast

from pydantic import ValidationError

from bench.clock import WallClock
from bench.commands.serve.page import Page
from bench.commands.serve.prompt import Prompt
from bench.commands.serve.servers import Servers
from bench.commands.terminal import Terminal, hold_standard_streams
from bench.errors import BenchError
from bench.keys import Keys
from bench.station_file import BackendTable


def serve(listening: dict[str, Any], keys: Path | None, page: str, patience_s: float, *, as_json: bool) -> None:
    """Serve until the standard input ends, SIGINT or SIGTERM. ``listening`` is as ``[backend]`` of a station file,
    ``page`` the IP address and port of the page, or "none". Raises BenchError for what can't be had."""
    hold_standard_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")    # a device may say what this terminal has no letters for
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.ERROR)    # aiocoap warns of each odd message; here they are events
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        table = BackendTable.model_validate(listening)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + "-".join(map(str, first["loc"] or ("listen",))).replace("_", "-")
        raise BenchError(option, expected=first["msg"].removeprefix("Input should be "),
                         seen=str(listening.get(str(first["loc"][0]) if first["loc"] else "listen"))[:60],
                         do="correct the value") from None
    known = Keys.load_all(keys) if keys is not None else {}
    with WallClock() as clock:
        servers = Servers(clock, table, known, patience_s)
        web = Page(servers, page) if page != "none" else None
        try:
            clock.run(servers.start(), timeout=10)
            if web is not None:
                clock.run(web.start())
            prompt = Prompt(servers, clock, cast(TextIO, Terminal(sys.stdout or StringIO())), as_json=as_json)
            uris = {**servers.uris, **({"page": web.uri} if web is not None else {})}
            prompt.run(uris)
        except KeyboardInterrupt:
            pass
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            clock.run(servers.stop(), timeout=10)    # first, for the page may wait for a device
            if web is not None:
                clock.run(web.stop(), timeout=10)
