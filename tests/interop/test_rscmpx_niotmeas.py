"""The maker's own package for NB-IoT measurements (of the CMP180, the CMW500's younger sister) at the twin of the
CMW500: it reads the same results by its names as the bench's driver by its places, in the same units.

It overlaps in results, counts, limits and trigger; routing and the signalling application are the CMW500's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import RsCMPX_NiotMeas
from RsCMPX_NiotMeas import enums, repcap

from bench.analysis.radio import MASK
from bench.twin.radio.cmw500 import Cmw500
from bench.twin.scpi import ScpiServer
from drivers.radio.cmw500_tester import Cmw500Tester
from fixtures.bench import Bench

IMPLEMENTATIONS = Path(RsCMPX_NiotMeas.__file__).parent / "Implementations"
_HEADER = re.compile(r"(?:FETCh|CONFigure|TRIGger|INITiate|STOP|ABORt|CALCulate|READ):"
                     r"NIOT:MEASurement<Instance>[A-Za-z:<>]*")
CMW_ONLY = {"ROUTe:NIOT:MEASurement<i>:SCENario:CSPath"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench.on_twin(1)
    station = bench.station
    station.supply.set_voltage(3.6)
    station.supply.output_on()
    station.cell.tester.begin(8)
    station.panel.press(6.0)
    bench.clock.poll(lambda: station.cell.tester.is_connected() or None, 300.0, 1.0)
    yield bench
    assert bench.close() == []


@pytest.fixture
def package(bench: Bench) -> Iterator[RsCMPX_NiotMeas.RsCMPX_NiotMeas]:
    server = ScpiServer(bench._lab.cmw500)
    bench.clock.run(server.start())
    instrument = RsCMPX_NiotMeas.RsCMPX_NiotMeas(
        server.address.replace("TCPIP0", "TCPIP"), False, False,
        "SelectVisa=socket, VisaTimeout=20000, OpcTimeout=30000")
    yield instrument
    instrument.close()
    bench.clock.run(server.stop())


@pytest.mark.parametrize("tones", [1, 12])
def test_the_package_reads_by_name_what_the_driver_reads_by_place(bench, package, tones):
    ours = bench.station.cell.tester.transmission(tones, 0, MASK, wanted_dbm=34, allowed_dbm=23)
    results = package.niotMeas.multiEval
    modulation, dynamics = results.modulation.average.fetch(), results.pdynamics.average.fetch()
    spectrum, leakage = results.seMask.average.fetch(), results.aclr.average.fetch()
    in_band, margins = results.inbandEmission.margin.average.fetch(), results.seMask.margin.all.fetch()
    assert {one.Reliability for one in (modulation, dynamics, spectrum, leakage, in_band, margins)} == {0}
    assert (modulation.Tx_Power, modulation.Frequency_Error) == (ours.power_dbm, ours.frequency_error_hz)
    assert (modulation.Evm_Rms, modulation.Iq_Offset) == (ours.evm_percent, ours.leakage_dbc)
    assert (dynamics.Off_Power_Before, dynamics.Off_Power_After) == ours.off_dbm
    assert dynamics.On_Power_Rms == pytest.approx(ours.power_dbm, abs=0.01)
    assert (spectrum.Obw, in_band.Margin) == (ours.occupied_hz, ours.in_band_margin_db)
    assert ((leakage.Gsm_Neg, leakage.Gsm_Pos), (leakage.Utra_Neg, leakage.Utra_Pos)) == (ours.gsm_db, ours.utra_db)
    assert leakage.Nb_Iot == pytest.approx(ours.power_dbm, abs=0.01)
    both = tuple(zip(margins.Margin_Avg_Neg, margins.Margin_Avg_Pos, strict=True))
    assert (both[:len(MASK)], len(both)) == (ours.mask_margins_db, 12)


def test_the_package_sets_what_the_driver_sets(bench, package):
    """Written by the one, read by the other: values and units mean the same."""
    bench.station.cell.tester.transmission(1, 0, MASK, wanted_dbm=34, allowed_dbm=23)
    settings = package.configure.niotMeas.multiEval
    assert settings.scount.get_modulation() == 240
    assert settings.scount.spectrum.get_aclr() == settings.scount.spectrum.get_se_mask() == 240
    assert settings.get_nslots() == 17
    assert settings.get_repetition() is enums.Repeat.SINGleshot
    assert package.trigger.niotMeas.multiEval.get_timeout() == 5.0
    area = settings.limit.seMask.limit.get(repcap.Limit.Nr3)
    assert (area.Enable, area.Frequency_Start, area.Frequency_Stop, area.Power_Level_Start,
            area.Power_Level_Stop) == (True, *MASK[2])
    settings.scount.set_modulation(80)
    assert bench._lab.cmw500.modulation_count == 80
    settings.limit.seMask.limit.set(False, 0.0, 1e5, 10.0, 5.0, repcap.Limit.Nr1)
    assert bench._lab.cmw500._mask[0] == (False, 0.0, 1e5, 10.0, 5.0)


def test_each_header_of_the_measurement_is_in_the_package_too():
    """But for the route, which is the CMW500's. What the package has for the CMP180 alone the twin does not take."""
    known = {re.sub(r"<\w+>", "<>", header).upper() for file in IMPLEMENTATIONS.rglob("*.py")
             for header in _HEADER.findall(file.read_text("utf-8"))}
    own = {line.header for line in Cmw500.command_table if ":NIOT:MEASurement<i>" in line.header}
    missing = [header for header in own - CMW_ONLY
               if re.sub(r"<\w+>", "<>", header).rstrip("?").upper().replace("[:ALL]", ":ALL") not in
               {one.rstrip("?").replace("[:ALL]", ":ALL") for one in known}]
    assert len(own) > 30
    assert missing == []
    assert not [header for header in own if re.search(r"CBANdwidth|Q16|FSYRange|CPRefix", header)]


def test_the_words_for_a_measurement_that_is_not_good_are_no_numbers(bench, package):
    tester = bench.station.cell.tester
    assert isinstance(tester, Cmw500Tester)
    bench._lab.cmw500._ends, bench._lab.cmw500._got = 0.0, (0, None)
    assert bench._lab.cmw500.execute("FETC:NIOT:MEAS:MEV:ACLR:AVER?") == b"0,NAV,NAV,NAV,NAV,NAV"
    seen = package.niotMeas.multiEval.aclr.average.fetch()
    assert seen.Gsm_Neg != seen.Gsm_Neg or seen.Gsm_Neg is None    # a NaN or nothing: never 0
