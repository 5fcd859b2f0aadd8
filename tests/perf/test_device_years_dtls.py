"""Years of twin time with DTLS on all connections: every record is encrypted, decrypted and crosses a real socket.

``MCM_BENCH_DTLS_DAYS=1461`` runs four years; without it, 30 days.
"""

import os
import time

from bench.analysis.schedule import transmissions
from fixtures.bench import Bench
from fixtures.bootstrap import Bootstrap
from fixtures.dm import Dm
from fixtures.gateway import Gateway
from fixtures.panel import Panel
from fixtures.security import CONNECTIONS, Security
from fixtures.unit import Unit
from fixtures.words import days

DAYS = int(os.environ.get("MCM_BENCH_DTLS_DAYS", "30"))
LIFETIME_S = 672_000
"""The twin updates its registration after 0.9 of it: each week."""


def test_years_with_dtls_pass_with_one_handshake_each(capsys):
    """Hourly readouts, a transmission each day, a registration update each week."""
    bench = Bench.on_twin(seed=1)
    try:
        panel, dm, gateway, bootstrap = Panel(bench), Dm(bench), Gateway(bench), Bootstrap(bench)
        security = Security(bench, Unit(bench, panel, dm, gateway, bootstrap), dm, bootstrap)
        bootstrap.give(dm_lifetime_s=LIFETIME_S)
        security.join(*CONNECTIONS)
        arrived, events, joined = gateway.count, len(dm.server.history), bench.clock.time()
        began = time.perf_counter()
        bench.clock.sleep(DAYS * days)
        took = time.perf_counter() - began
        with capsys.disabled():
            print(f"\n{DAYS} days with DTLS: {DAYS * days / took:,.0f} virtual seconds per wall second ({took:.1f} s), "
                  f"{gateway.count - arrived} telegrams, {len(bench.timeline):,} observations")
        assert len(transmissions(one.time_s for one in gateway.server.telegrams[arrived:])) == DAYS
        assert len(dm.server.history) - events == DAYS // 7
        assert [len(security.sessions(connection)) for connection in CONNECTIONS] == [1, 1, 1]
        assert not security.failures("dm", joined)
        assert not security.failures("mdm", joined)
    finally:
        bench.close()
