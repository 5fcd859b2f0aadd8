"""What somebody hostile tries, and what the unit makes of it: keys by the hundred, recorded datagrams, bent records,
suites that nobody offered, garbage, floods, a look for open ports.

A pre-check towards EN 18031-1; the counts are bounded, and after each attack the unit must be up without a restart, set
up as before, and reporting.
"""

import pytest

from bench.manual.paths import Device, FirmwareUpdate, McmConfig, Server0
from fixtures.attacks import PORTS
from fixtures.dtls_numbers import NOT_OFFERED, encrypted_records
from fixtures.judging import first_of, last_of
from fixtures.outcomes import CellState, Pak, Status, TagFormatError
from fixtures.words import device_time, hours, in_regression, minutes, needs, req, s

QUICK = {"sequence_retry_delay": 60, "communication_retry_delay": 60, "coap_ack_timeout": 5,
         "lwm2m_dtls_min_timeout": 10, "lwm2m_dtls_max_timeout": 20, "mdm_dtls_min_timeout": 10,
         "mdm_dtls_max_timeout": 20}
LISTENING = {"power_saving_mode": "eDRX"}
HUNDRED = 100
SLOW = 1000
"""So few wrong PAKs an hour count as slowed down, by a lock-out, growing delays or slow tries: the bench's figure."""


# -- wrong PAKs by the hundred


def another_pak(bench, number):
    """One that is not the unit's, and the same at each run."""
    octets = bytes((number * 37 + place * 11 + 5) % 256 for place in range(Pak.SIZE))
    return Pak(octets if octets != bench.keys.pak.octets else octets[::-1])


def wait_until_judged(unit, bench):
    """With the right PAK, until it is taken; how long that was refused for (s)."""
    began = bench.clock.time()
    while (status := unit.try_settings({"max_meter_retries": 9}, bench.keys.pak).status) is not Status.OK:
        assert status is Status.AUTH_BLOCKED, f"the right PAK: {status.name}"
        assert bench.clock.time() - began < 24 * hours, "the right PAK is locked out for a day"
        bench.clock.sleep(5 * minutes)
    return bench.clock.time() - began


@req("SEC-08")
@device_time("26 h")
@needs("settings.nfc.write")
@in_regression
def test_a_hundred_wrong_paks_in_a_row_open_nothing(passive_unit, bench, measure, declaration):
    """Whether they are slowed down is not printed (G19): it is put down, and a certification pack asks for it."""
    passive_unit.write_settings({"configuration_lock": "Locked"})
    before = passive_unit.read_settings().values
    began, judged, times = bench.clock.time(), 0, []
    for number in range(HUNDRED):
        tried = bench.clock.time()
        status = passive_unit.try_settings({"max_meter_retries": 7}, another_pak(bench, number)).status
        times.append(bench.clock.time() - tried)
        assert status in (Status.AUTH_FAILED, Status.AUTH_BLOCKED), f"wrong PAK number {number + 1}: {status.name}"
        judged += status is Status.AUTH_FAILED
    took = bench.clock.time() - began
    assert passive_unit.read_settings().values == before, "a refused write left something behind"
    blocked = wait_until_judged(passive_unit, bench)
    bench.step(f"{HUNDRED} tries in {took:.0f} s, the first {times[0]:.2f} s and the last {times[-1]:.2f} s long, "
               f"{judged} of them judged; the right PAK was locked out for {blocked / 60:.0f} min after them")
    in_an_hour = judged * 1 * hours / max(took, 1 * s) if judged == HUNDRED else judged
    measure("security.pak.judged_in_an_hour", in_an_hour)
    declaration.shows("pak_slowed_down", in_an_hour <= SLOW)
    passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


@req("SEC-08")
@device_time("26 h")
@needs("settings.nfc.write")
@in_regression
def test_a_power_cut_does_not_take_a_lock_out_away(passive_unit, bench, supply):
    """Where wrong PAKs lock everybody out for a while, nobody gets more tries by cutting the power."""
    passive_unit.write_settings({"configuration_lock": "Locked"})
    for number in range(HUNDRED):
        status = passive_unit.try_settings({"max_meter_retries": 7}, another_pak(bench, number)).status
        if status is Status.AUTH_BLOCKED:
            break
    else:
        bench.step("wrong PAKs lock nobody out")
        wait_until_judged(passive_unit, bench)
        passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)
        return
    supply.output_off()
    bench.clock.sleep(2 * s)
    passive_unit.power_up()
    again = passive_unit.try_settings({"max_meter_retries": 7}, another_pak(bench, HUNDRED)).status
    assert again is Status.AUTH_BLOCKED, f"after a power cut a wrong PAK is judged again: {again.name}"
    wait_until_judged(passive_unit, bench)
    passive_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


# -- recorded datagrams, and such that were bent on their way


@req("SEC-04", "SEC-13")
@device_time("10 min")
@needs("dtls")
@in_regression
def test_recorded_datagrams_have_no_effect_the_second_time(security, bench, dm, attacks):
    security.join("dm")
    begun = bench.clock.time()
    bench.clock.sleep(1 * s)
    dm.write(McmConfig.METER_REPORT_INTERVAL, 120)
    recorded = attacks.sent("dm", begun)
    dm.write(McmConfig.METER_REPORT_INTERVAL, 45)
    assert recorded, "no datagram to send again"
    said = bench.clock.time()
    for datagram in recorded:
        attacks.send("dm", datagram, secure=True)
        bench.clock.sleep(5 * s)
    answers = security.secure_messages("dm", said)
    dm.expect(McmConfig.METER_REPORT_INTERVAL, 45, "a recorded write has been taken a second time")
    assert not answers, f"recorded datagrams are answered: {answers}"


@req("SEC-04", "SEC-05")
@device_time("15 min")
@needs("dtls", "panel.button")
@in_regression
def test_no_record_is_numbered_like_another_of_its_session(security, bench, dm, gateway, attacks):
    """Epoch and number are the nonce of an AEAD: one used twice gives the plain text away (RFC 6655, 3)."""
    security.join("bootstrap", "dm", "mdm")
    begun = bench.scope.began_s
    for _ in range(3):
        arrived = gateway.count
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    for connection in ("dm", "mdm"):
        sessions = [seen.time for seen in security.sessions(connection, begun)]
        later_than = last_of(sessions, f"a session with the {connection} server")
        seen = {}
        for datagram in attacks.records_of_unit(connection, later_than):
            for number, octets in encrypted_records(datagram):
                assert seen.setdefault(number, octets) == octets, (
                    f"{connection}: record {number.hex()} was sent twice with other content")
        assert seen, f"{connection}: no encrypted record"


BITS = {"content type": 0, "version": 1, "epoch": 4, "number": 10, "length": 12, "explicit nonce": 14,
        "first octet": 22, "middle": -14, "tag": -1}


@req("SEC-04", "SEC-13")
@device_time("10 min")
@needs("dtls")
@in_regression
@pytest.mark.parametrize("place", BITS)
def test_a_record_with_a_bit_turned_has_no_effect(security, bench, dm, attacks, place):
    """Of a write, each time that it is sent: it must not be carried out, and the session must live."""
    security.join("dm", settings={"coap_ack_timeout": 5})
    dm.write(McmConfig.METER_REPORT_INTERVAL, 45)
    asked = bench.clock.time()
    left = [2]

    def bend(datagram):
        if left[0] == 0 or datagram[0] not in (23, 25):
            return datagram
        left[0] -= 1
        position = BITS[place] % len(datagram)
        return datagram[:position] + bytes((datagram[position] ^ 0x01,)) + datagram[position + 1:]

    with attacks.bending("dm", bend):
        dm.write(McmConfig.METER_REPORT_INTERVAL, 120)    # the third time it gets through
    assert left[0] == 0, "no record was bent"
    dm.expect(McmConfig.METER_REPORT_INTERVAL, 120)
    dm.write(McmConfig.METER_REPORT_INTERVAL, 45)
    dm.expect(McmConfig.METER_REPORT_INTERVAL, 45)
    assert not security.sessions("dm", asked), "a bent record has ended the session"


@req("SEC-04")
@device_time("10 min")
@needs("dtls")
@in_regression
def test_what_comes_without_dtls_to_a_unit_in_dtls_has_no_effect(security, bench, dm, attacks):
    security.join("dm")
    dm.write(McmConfig.METER_REPORT_INTERVAL, 45)
    said = bench.clock.time()
    write_120 = bytes.fromhex("40030666") + b"\xb533906\x010\x0217\x10\xff120"    # PUT, text
    ping = bytes.fromhex("40000777")
    for datagram in (write_120, ping):
        attacks.send("dm", datagram, secure=True)
        bench.clock.sleep(5 * s)
    assert not security.plain_messages("dm", said), "the unit answers in clear"
    dm.expect(McmConfig.METER_REPORT_INTERVAL, 45, "a write in clear was taken")


# -- suites


@req("SEC-01", "SEC-11")
@device_time("40 min")
@needs("dtls", "panel.button")
@in_regression
@pytest.mark.parametrize("connection", ["dm", "mdm"])
def test_each_suite_that_is_offered_works_when_the_server_takes_it(security, bench, panel, attacks, connection):
    security.join(connection, settings=QUICK)
    offered = first_of([hello.message.suites for hello in security.hellos(connection)], "a ClientHello")
    tried = [suite for suite in offered if suite in SPOKEN]
    assert tried, f"none of the suites that the bench speaks is offered: {[hex(suite) for suite in offered]}"
    for suite in tried:
        attacks.offer_only(connection, suite)
        asked = panel.press(6 * s)[1]    # a restart, and with it a new handshake
        session = security.wait_for_session(connection, 30 * minutes, after=asked)
        assert session.suite == SPOKEN[suite], f"{session.suite} where {SPOKEN[suite]} was to be taken"


SPOKEN = {0xC0A8: "TLS_PSK_WITH_AES_128_CCM_8", 0xC0A4: "TLS_PSK_WITH_AES_128_CCM",
          0x00A8: "TLS_PSK_WITH_AES_128_GCM_SHA256", 0x00AE: "TLS_PSK_WITH_AES_128_CBC_SHA256"}


@req("SEC-01", "SEC-11")
@device_time("20 min")
@needs("dtls")
@in_regression
@pytest.mark.parametrize("suite", NOT_OFFERED)
def test_a_suite_that_was_not_offered_is_refused(security, bench, dm, attacks, suite):
    security.join(settings=QUICK)
    attacks.choose("dm", NOT_OFFERED[suite])
    security.give("dm")
    asked = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    bench.clock.sleep(5 * minutes)
    hellos = security.hellos("dm", asked)
    assert hellos, "no handshake was tried"
    offered = {number for hello in hellos for number in hello.message.suites}
    assert NOT_OFFERED[suite] not in offered, f"{suite} is offered"
    assert not security.sessions("dm", asked), f"a session with {suite}"
    assert not dm.history(asked), "the unit has registered"


# -- open ports


@req("SEC-17", "NET-39")
@device_time("20 min")
@needs("cell.state")
@in_regression
@pytest.mark.parametrize("when", ["connected", "active"])
def test_no_port_of_the_unit_answers(joined_unit, bench, dm, radio, attacks, when, declaration):
    dm.read(Device.SERIAL_NUMBER)    # it is connected now
    if when == "active":
        radio.wait_for(CellState.IDLE, timeout=10 * minutes)
    answering = attacks.answering_ports()
    declaration.shows("services", [int(one.split()[1]) for one in answering])
    bench.step(f"{len(PORTS)} TCP and UDP ports were tried")
    assert not answering, f"ports that answer: {', '.join(answering)}"


# -- garbage


def bent_coap(chance):
    """A datagram that is nearly a CoAP message (RFC 7252, 3)."""
    kind = chance.randrange(6)
    header = bytes((0x40 | chance.randrange(64), chance.randrange(256))) + chance.randbytes(2)
    match kind:
        case 0:
            return chance.randbytes(chance.randrange(1, 64))
        case 1:
            return header[:chance.randrange(1, 4)]
        case 2:
            return header + bytes((0xF0 | chance.randrange(16),)) + chance.randbytes(8)
        case 3:
            return bytes((0x40, 0x01)) + chance.randbytes(2) + b"\xdd\xff" + chance.randbytes(chance.randrange(20))
        case 4:
            return (bytes((0x44, 0x03)) + chance.randbytes(6) + b"\xb533906\x010\x0217\x11" + chance.randbytes(1)
                    + b"\xff" + chance.randbytes(chance.randrange(40)))
        case _:
            return bytes((0x40, 0x02)) + chance.randbytes(2) + b"\xb2bs\xff" + bytes(chance.randrange(300))


@req("DM-04", "CMP-07")
@device_time("30 min")
@in_regression
@pytest.mark.parametrize("count", [150])
def test_garbage_from_the_dm_server_does_no_harm(joined_unit, bench, dm, attacks, count):
    before = attacks.health()
    for number in range(count):
        attacks.send("dm", bent_coap(attacks.random))
        bench.clock.sleep(2 * s)
        if number % 25 == 24:
            dm.answers(60 * s)
    attacks.check_health(before, f"{count} datagrams of garbage")


def bent_mqttsn(chance):
    """A datagram that is nearly an MQTT-SN message (1.2, 5.2)."""
    kind = chance.choice((0x00, 0x02, 0x05, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x16, 0x17, 0x18, 0x1A, 0xFE, 0xFF))
    body = chance.randbytes(chance.randrange(40))
    length = chance.choice((len(body) + 2, chance.randrange(256), 0, 1))
    return chance.choice((bytes((length, kind)) + body, b"\x01" + chance.randbytes(3) + body, b"",
                          bytes((length,)), chance.randbytes(chance.randrange(1, 64))))


@req("CMP-07", "NET-02")
@device_time("30 min")
@in_regression
@pytest.mark.parametrize("count", [150])
def test_garbage_from_the_gateway_does_no_harm(joined_unit, bench, dm, attacks, count):
    before = attacks.health()
    for number in range(count):
        attacks.send("mdm", bent_mqttsn(attacks.random))
        bench.clock.sleep(2 * s)
        if number % 25 == 24:
            dm.answers(60 * s)
    attacks.check_health(before, f"{count} datagrams of garbage")


def bent_dtls(chance):
    """A datagram that is nearly a DTLS record (RFC 6347, 4.1)."""
    kind = chance.choice((20, 21, 22, 23, 25, 0, 255))
    body = chance.randbytes(chance.randrange(60))
    return bytes((kind,)) + chance.choice((b"\xfe\xfd", b"\xfe\xff", b"\x03\x03", chance.randbytes(2))) \
        + chance.choice((b"\0\0", b"\0\1", chance.randbytes(2))) + chance.randbytes(6) \
        + chance.choice((len(body), chance.randrange(65536))).to_bytes(2, "big") + body


@req("SEC-04", "DM-04")
@device_time("30 min")
@needs("dtls")
@in_regression
def test_garbage_in_place_of_dtls_does_no_harm(security, bench, dm, attacks):
    """Forged alerts among it: anybody can send one in clear (RFC 6347, 4.1.2.7)."""
    security.join("dm")
    before = attacks.health()
    asked = bench.clock.time()
    fatal_alerts = [b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2" + bytes((code,)) for code in (0, 10, 20, 40, 80)]
    for number, datagram in enumerate([*fatal_alerts, *(bent_dtls(attacks.random) for _ in range(120))]):
        attacks.send("dm", datagram, secure=True)
        bench.clock.sleep(2 * s)
        if number % 25 == 24:
            dm.answers(60 * s)
    attacks.check_health(before, "garbage in place of DTLS")
    assert not security.sessions("dm", asked), "forged records have ended the session"


BENT_VALUES = ("", "A" * 300, "%n%s%x", "../../etc/passwd", "ÿ" * 60, "9" * 400, "-1", "1e999", "{}", "<x/>")


@req("DM-04", "DM-05", "SEC-12")
@device_time("30 min")
@in_regression
def test_bent_values_are_refused_or_taken_and_do_no_harm(joined_unit, bench, dm, attacks):
    """Whatever a text takes, it gives back, and nothing else changes."""
    before = attacks.health()
    for value in BENT_VALUES:
        for path in (McmConfig.METER_REPORT_INTERVAL, McmConfig.METER_READOUT_INTERVAL, Device.MANUFACTURER,
                     McmConfig.REPORT_DATA_ENCODING, "/9999/0/0", FirmwareUpdate.PACKAGE_URI):
            code = dm.refusal(path, value)
            is_right = code.startswith("4.") or (path == FirmwareUpdate.PACKAGE_URI and not code)
            assert is_right, f"{path} = {value[:20]!r}: {code or 'taken'}"
        interval, usual = dm.read(McmConfig.METER_REPORT_INTERVAL), before.settings[McmConfig.METER_REPORT_INTERVAL]
        assert interval == usual, f"with {value[:20]!r} the report interval has changed from {usual} to {interval}"
    dm.write(FirmwareUpdate.PACKAGE_URI, "")
    attacks.check_health(before, "bent values")


@req("OTC-08", "SEC-08")
@device_time("20 min")
@needs("settings.nfc.write")
@in_regression
def test_garbage_on_the_tag_does_no_harm(passive_unit, bench, attacks):
    """Messages that are nearly NDEF, and nearly the unit's own: what cannot be understood is not carried out."""
    before = passive_unit.read_settings().values
    chance = attacks.random
    for number in range(40):
        message = bent_ndef(chance, number)
        write_garbage(bench, message, number)
        if number % 10 == 9:
            passive_unit.write_settings({"max_meter_retries": 5 + number // 10})    # the unit answers again
    passive_unit.write_settings({"max_meter_retries": before["max_meter_retries"]})
    assert passive_unit.read_settings().values == before, "garbage on the tag has changed settings"


def write_garbage(bench, message, number):
    """And wait for the unit to put its own message back: else nobody can set it up any more."""
    try:
        bench.station.otc.write_message(message)
    except TagFormatError:
        raise AssertionError(f"after {number} messages of garbage the unit leaves the tag as it is") from None


def bent_ndef(chance, number):
    body = chance.randbytes(chance.randrange(1, 60))
    name = b"bench.example:otc-req"
    match number % 5:
        case 0:
            return body
        case 1:
            return b"\xd4" + bytes((len(name), len(body))) + name + body
        case 2:
            return b"\xd4" + bytes((len(name), chance.randrange(256))) + name + body
        case 3:
            return b"\xd1\x01" + bytes((len(body),)) + b"T" + body
        case _:
            return bytes((0xC4, len(name))) + (1 << 31).to_bytes(4, "big") + name + body


# -- floods, and what they cost


def charge_over(power, bench, duration):
    """mAh that the unit takes in that time."""
    capture = power.capture(duration)
    return float(capture.mean_a.sum()) * capture.period_s / 3.6


@req("RETX-19", "DM-04")
@device_time("60 min")
@needs("supply.charge")
@in_regression
def test_a_flood_ends_and_costs_little(unit, bench, attacks, power, measure):
    """Of a unit that does not sleep deeply, which hears all of it."""
    unit.make_joined(LISTENING)
    before = attacks.health()
    usual = charge_over(power, bench, 30 * minutes)
    attacks.flood("dm", 200, 2.0, lambda number: b"\x40\x01" + number.to_bytes(2, "big") + b"\xb13\x010\x012")    # GET
    cost = charge_over(power, bench, 30 * minutes)
    measure("security.flood.charge", max(cost - usual, 0.0))
    attacks.check_health(before, "a flood of 200 datagrams")


@req("SEC-04", "NET-26", "RETX-19")
@device_time("2 h")
@needs("dtls", "supply.charge")
@in_regression
def test_handshakes_that_never_end_cost_little_and_lose_no_meter_data(security, bench, dm, gateway, power, measure):
    """A server that answers no flight: the unit gives up, waits, and sends its meter data meanwhile."""
    security.join(settings=QUICK | LISTENING)
    usual = charge_over(power, bench, 30 * minutes)
    security.give("dm")
    asked = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    with security.silence("dm"):
        cost = charge_over(power, bench, 30 * minutes)
        assert security.client_hellos("dm", asked), "no handshake was tried"
    measure("security.half_open.charge", max(cost - usual, 0.0))
    dm.wait_for_registration(60 * minutes, after=asked)
