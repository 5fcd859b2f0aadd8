"""A device year in virtual time: every datagram crosses a real socket, every LED edge a real pty."""

import time

from bench.analysis.schedule import transmissions
from fixtures.bench import Bench
from fixtures.bootstrap import Bootstrap
from fixtures.dm import Dm
from fixtures.gateway import Gateway
from fixtures.panel import Panel
from fixtures.unit import Unit
from fixtures.words import days

YEAR = 365 * days


def test_a_device_year_runs_at_a_million_times_real_time(capsys):
    """Hourly readouts, daily transmission, a registration update each day, plain UDP."""
    bench = Bench.on_twin(seed=1)
    try:
        panel, dm, gateway = Panel(bench), Dm(bench), Gateway(bench)
        Unit(bench, panel, dm, gateway, Bootstrap(bench)).make_joined()
        arrived, began = gateway.count, time.perf_counter()
        bench.clock.sleep(YEAR)
        took = time.perf_counter() - began
        telegrams = gateway.server.telegrams[arrived:]
        with capsys.disabled():
            print(f"\na device year: {YEAR / took:,.0f} virtual seconds per wall second ({took:.1f} s), "
                  f"{len(telegrams)} telegrams, {len(bench.timeline):,} observations")
        assert len(transmissions(telegram.time_s for telegram in telegrams)) == 365
        readouts = sum(len(arrival.telegram.readouts) for arrival in gateway.arrivals(since=arrived))
        assert 364 * 24 <= readouts <= 366 * 24
    finally:
        bench.close()
