"""Bootstrap, device management and DTLS, manual 6.2 and 6.3, Tables 1 and 2."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest

from bench.analysis.clocks import difference_s
from bench.manual import resources
from bench.manual.paths import ConnectivityMonitoring, Device, McmConfig, MeterInfo, Server0
from fixtures.judging import first_of
from fixtures.outcomes import Path
from fixtures.words import judges, over_nfc, req

pytestmark = judges

SERVERS = ("bootstrap", "dm", "mdm")
READABLE = [one for one in resources.load().values()
            if one.readable and not one.obsolete and one.path[0] in (1, 33906, 33907, 33908, 33909)]


@req("ACT-03", "ACT-12", "ACT-13", "ACT-14", "ACT-15", "NET-01", "NET-02")
def test_activation_leads_to_bootstrap_then_dm_then_gateway(life, measure):
    released, registered = life.fact("activation", "released"), life.fact("join", "registered")
    last = life.fact("join", "bootstraps")[-1:]
    assert [one["outcome"] for one in last] == ["finished"], f"no bootstrap was finished: {last}"
    first = [first_of(life.seen(server, "datagram", direction="in", after=released), f"a datagram at {server}").time
             for server in SERVERS]
    assert all(earlier < later for earlier, later in pairwise(first)), "not in the order bootstrap, DM, gateway"
    assert life.upload("SenML/CBOR"), "no telegram at the gateway"
    measure("activation.register", registered - last[0]["finished"])
    measure("activation.mdm_connect", first[2] - first[1])


@req("ACT-14", "DM-03", "DM-01")
def test_the_registration_names_the_unit_and_its_objects(life):
    assert life.fact("join", "endpoint").upper().endswith(life.deveui), f"endpoint {life.fact('join', 'endpoint')}"
    missing = {1, 3, 4, 5, 10, 11, *range(33905, 33912)} - set(life.fact("join", "objects"))
    assert not missing, f"objects that are not registered: {sorted(missing)}"


@req("OTC-T9-01", "OTC-T9-02", "OTC-T9-03")
def test_the_bootstrap_server_is_the_one_of_the_settings(life):
    """Over NFC the bench's own is written; where nothing is, units come to the printed one, which leads to the bench.
    """
    last = first_of(life.fact("join", "bootstraps"), "a bootstrap")
    assert last["endpoint"].upper().endswith(life.deveui), f"endpoint {last['endpoint']} at the bootstrap server"


@req("SEC-01", "LWM2M-0.0.3", "LWM2M-0.1.3", "SEC-07", "NET-01")
@pytest.mark.parametrize("server", SERVERS)
def test_a_connection_shakes_hands_in_dtls_1_2_by_the_units_own_name(life, server):
    """With the keys that the unit was delivered with: the bootstrap writes addresses only."""
    life.tried("join" if server != "mdm" else "telegrams")
    session = first_of(life.sessions(server), f"a DTLS session with the {server} server").data
    assert session["version"] == "DTLS 1.2", f"{session['version']} with the {server} server"
    assert session["identity"].upper() == life.deveui, f"identity {session['identity']!r} at the {server} server"
    plain = [seen.data["text"] for seen in life.seen(server, "message", direction="in") if not seen.data.get("secure")]
    assert not plain, f"sent without DTLS: {plain}"
    sent = [seen.data.get("text") or "" for seen in life.seen(server, "datagram")]
    finished = first_of((number for number, text in enumerate(sent) if "ChangeCipherSpec" in text),
                        "a ChangeCipherSpec")
    assert not [text for text in sent[:finished] if "application data" in text], "data before the handshake's end"


@req("LWM2M-3.0.0", "LWM2M-3.0.1", "LWM2M-3.0.2", "LWM2M-3.0.3", "LWM2M-3.0.18", "CMP-09")
def test_object_3_says_what_the_unit_is(life):
    values = life.resources()
    assert values[Device.MANUFACTURER] == "Elvaco", f"manufacturer {values[Device.MANUFACTURER]!r}"
    assert values[Device.MODEL_NUMBER] == "CMi6110", f"model {values[Device.MODEL_NUMBER]!r}"
    assert values[Device.SERIAL_NUMBER].upper() == life.deveui, f"serial number {values[Device.SERIAL_NUMBER]!r}"
    version = re.match(r"(\d+)\.(\d+)\.(\d+)", values[Device.FIRMWARE_VERSION])
    assert version, f"firmware {values[Device.FIRMWARE_VERSION]!r} is no version"
    assert int(version[1]) >= 2, f"released units have firmware 2.0.0 or later, this one has {version[0]}"
    assert values[Device.HARDWARE_VERSION], "no hardware version"


@req("LWM2M-3.0.6.0", "LWM2M-3.0.9", "LWM2M-3.0.11.0", "DM-02")
def test_all_of_object_3_reads_with_the_manuals_types_and_ranges(life):
    wrong = [f"{path} {problem}" for path, value in life.resources().items() if path[0] == 3
             if (known := resources.find(path)) and (problem := known.check(value))]
    assert not wrong, "; ".join(wrong)


@req("LWM2M-4.0.0", "LWM2M-4.0.1.0", "LWM2M-4.0.2", "LWM2M-4.0.8", "LWM2M-4.0.9", "LWM2M-4.0.10")
def test_object_4_says_how_the_unit_is_connected(life):
    values = life.resources()
    assert values[ConnectivityMonitoring.NETWORK_BEARER] == 7, "the bearer is not NB-IoT"
    assert values[ConnectivityMonitoring.AVAILABLE_NETWORK_BEARER / 0] == 7, "NB-IoT is not among the bearers"
    assert -140 <= values[ConnectivityMonitoring.RADIO_SIGNAL_STRENGTH] <= -44, "no possible RSRP"
    for number in (9, 10):
        assert 0 <= values[Path(4, 0, number)] <= 999, f"4/0/{number} is no code of a network"
    assert values[ConnectivityMonitoring.CELL_ID] > 0, "no cell id"


@req("NET-40", "LWM2M-4.0.7.0")
def test_in_automatic_mode_the_network_names_the_apn(life):
    if life.while_joined["apn_mode"] != "Auto":
        pytest.skip("the unit was ordered with an APN")
    apn = first_of((value for path, value in life.resources().items() if path[:3] == (4, 0, 7)), "an APN in 4/0/7")
    assert apn, "the APN in 4/0/7 is empty"


@pytest.mark.parametrize("number", [
    pytest.param(number, id=f"read /{number}", marks=req(
        "DM-01", *dict.fromkeys(one.requirement for one in READABLE if one.path[0] == number)))
    for number in (1, 33906, 33907, 33908, 33909)])
def test_an_object_reads_as_printed(life, number):
    values, offered = life.resources(), life.fact("join", "instances")
    for one in READABLE:
        path = one.path / 0 if one.multiple else one.path
        # A unit need not have the bootstrap server's account (U31), and then does not register it.
        if one.path[0] != number or (path.is_under(Server0.INSTANCE) and str(Server0.INSTANCE) not in offered):
            continue
        assert path in values, f"{path} {one.name} is missing"
        assert not one.check(values[path]), f"{path} {one.name}: {one.check(values[path])}"


@over_nfc
@req("LWM2M-33906.0.0", "LWM2M-33906.0.1", "LWM2M-33906.0.2", "LWM2M-33906.0.18", "OTC-09", "DM-07")
def test_settings_written_over_nfc_are_seen_over_dm(life):
    values, written = life.resources(), life.settings("settings", "commissioned")
    seen = {"readout_interval": 0, "transmit_interval": 18, "transmit_offset": 19, "transmit_delay": 20,
            "max_meter_retries": 43}
    wrong = [f"{key} is {written[key]} over NFC and {values[Path(33906, 0, number)]} over DM"
             for key, number in seen.items() if values[Path(33906, 0, number)] != written[key]]
    assert not wrong, "; ".join(wrong)


@over_nfc
@req("LWM2M-33906.0.5", "OTC-T8-03")
def test_the_lock_set_over_nfc_is_seen_over_dm(life):
    lock = McmConfig.NFC_CONFIG_LOCKED
    assert life.resources()[lock] is True, "locked over NFC, and open over DM"
    assert life.resources(name="after refusals")[lock] is False, "open over NFC, and locked over DM"


@req("LWM2M-33906.0.18", "DM-04", "DM-05")
def test_what_is_out_of_range_or_read_only_is_refused_and_changes_nothing(life):
    taken = [what for what, code in life.fact("device management", "refusals").items() if not code.startswith("4.")]
    assert not taken, f"taken, not refused: {', '.join(taken)}"
    before, after = life.resources(), life.resources(name="after refusals")
    for number in (1, 18):
        path = Path(33906, 0, number)
        assert after[path] == before[path], f"a refused write of {path} left something behind"
    assert life.fact("device management", "manufacturer") == "Elvaco", "the manufacturer has changed"


@req("PWR-09", "LWM2M-3.0.7.0")
def test_the_reported_voltage_follows_the_supply(life, measure):
    reported = first_of((value for path, value in life.resources().items() if path[:3] == (3, 0, 7)),
                        "a voltage in 3/0/7")
    measure("power.voltage.reported_error", reported - life.fact("device management", "voltage_v") * 1000)


@req("TIME-10", "TIME-12", "LWM2M-3.0.13")
def test_the_meters_clock_follows_the_network(life, measure):
    network = life.when("sleep", "meter")
    measure("time.meter_difference", difference_s(life.meter("sleep").meter_time, *network))
    offset = timedelta(minutes=int(life.while_joined["utc_offset"]))
    current = life.resources()[Device.CURRENT_TIME].replace(tzinfo=None) + offset
    measure("time.dm_difference", difference_s(current, *life.when("device management", "/3")))


@req("LWM2M-33908.0.1", "LWM2M-33908.0.2")
def test_the_unit_knows_the_meter_that_it_sits_in(life):
    values = life.resources()
    assert values[MeterInfo.COMMUNICATION_STATUS] == 0, "no meter, or an error"
    assert values[MeterInfo.METER_ID] == int(life.meter("delivery").fabrication_number), "another meter's number"
