"""The twin unit in DTLS where no suite can reach: without keys, cut off in the midst of a handshake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.twin.cmi6110.unit import CMi6110
from fixtures.bench import Bench
from fixtures.bootstrap import Bootstrap
from fixtures.dm import Dm
from fixtures.gateway import Gateway
from fixtures.panel import Panel
from fixtures.security import CONNECTIONS, Psk, Security
from fixtures.unit import Unit
from fixtures.words import minutes, s

NO_CREDENTIALS, IDLE = 2, 7
MDM_STATUS, TRIGGER_READOUT = "/33907/0/10", "/33906/0/10"


class Lab:
    def __init__(self) -> None:
        self.bench = Bench.on_twin(seed=4)
        self.dm, self.gateway = Dm(self.bench), Gateway(self.bench)
        self.unit = Unit(self.bench, Panel(self.bench), self.dm, self.gateway, Bootstrap(self.bench))
        self.security = Security(self.bench, self.unit, self.dm, Bootstrap(self.bench))

    @property
    def twin(self) -> CMi6110:
        assert self.bench._lab is not None
        return self.bench._lab.unit

    def hellos(self, after: float) -> list[float]:
        return self.security.client_hellos("mdm", after)


@pytest.fixture
def lab() -> Iterator[Lab]:
    opened = Lab()
    yield opened
    opened.bench.close()


@pytest.mark.parametrize("key", [b"", b"short", bytes(65)])
def test_without_a_usable_key_no_handshake_is_tried_and_the_status_says_so(lab, key):
    lab.security.join()
    lab.twin.servers.mdm_key = key
    lab.security.give("mdm")
    begun = lab.unit.bootstrap_again()
    lab.bench.clock.sleep(1 * minutes)
    assert lab.dm.read(MDM_STATUS) == NO_CREDENTIALS
    assert not lab.hellos(begun)


def test_a_power_cut_in_the_midst_of_a_handshake_leaves_nothing_behind(lab):
    supply = lab.bench.station.supply
    with lab.security.silence("bootstrap"):
        lab.unit.make_passive()
        begun = lab.bench.clock.time()
        lab.unit.write_settings(lab.security.commissioning() | {"power_mode": "Active"})
        lab.bench.expect(lambda: lab.security.client_hellos("bootstrap", begun), 2 * minutes, "a ClientHello")
        supply.output_off()
        cut = lab.bench.clock.time()
        lab.bench.clock.sleep(10 * minutes)
        assert not lab.security.client_hellos("bootstrap", cut + 1 * s)
    lab.security.give(*CONNECTIONS)
    supply.output_on()
    lab.dm.wait_for_registration(5 * minutes, after=cut)
    assert [len(lab.security.sessions(connection, cut)) for connection in ("bootstrap", "dm")] == [1, 1]


def test_a_longest_wait_below_the_shortest_is_as_long_as_it(lab):
    lab.security.join("mdm", settings={"mdm_dtls_min_timeout": 40, "mdm_dtls_max_timeout": 5})
    lab.bench.clock.sleep(1 * minutes)    # it has said what it had to say
    with lab.security.silence("mdm"):
        lab.bench.clock.call(lab.twin.mdm.close)
        begun = lab.bench.clock.time()
        lab.dm.execute(TRIGGER_READOUT)
        lab.bench.clock.sleep(39 * s)
        assert len(lab.hellos(begun)) == 1
        lab.bench.clock.sleep(3 * s)
        assert lab.twin.mdm.status == 3


def test_a_server_that_says_good_bye_gets_a_new_handshake_at_the_next_word(lab):
    lab.security.join("mdm")
    secure = lab.bench.backend.sockets["mdm"].secure
    said, arrived = lab.bench.clock.time(), lab.gateway.count
    lab.bench.clock.call(lambda: secure._pipe.disconnect(secure.server.sessions[0]))
    lab.bench.clock.sleep(5 * s)
    lab.dm.execute(TRIGGER_READOUT)
    lab.gateway.wait_for_telegram(2 * minutes, after=arrived)
    assert len(lab.security.sessions("mdm", said)) == 1


def test_a_mode_and_a_key_written_over_dm_count_from_the_next_word_on(lab):
    lab.security.join("mdm")
    key, begun, arrived = Psk(bytes(range(32))), lab.bench.clock.time(), lab.gateway.count
    lab.security.write_mdm_key(key)
    lab.dm.execute(TRIGGER_READOUT)
    lab.gateway.wait_for_telegram(2 * minutes, after=arrived)
    assert len(lab.security.sessions("mdm", begun)) == 1
    lab.dm.write("/33905/0/0", lab.bench.backend.uris.mdm)
    lab.dm.write("/33905/0/2", 3)
    lab.dm.execute(TRIGGER_READOUT)
    lab.gateway.wait_for_telegram(2 * minutes, after=arrived + 1)
    assert len(lab.security.plain_messages("mdm", begun)) == 3
