"""Each setting counts, at once, over whichever way it was written, at its smallest, its largest and an odd value.

Manual 4.3 ("New settings will be applied instantaneously via NFC"), 6.2 and 7.5. ``EFFECTS`` is the table: a setting,
what must stand beside it so that it can be seen, the values, and the look that tells. Settings of joining and of
servers that do not answer are in ``test_joining.py``, those of the schedule as a whole in ``test_schedule.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from bench.manual import settings
from bench.manual.paths import McmConfig
from fixtures.effects import ways_of
from fixtures.judging import first_of
from fixtures.outcomes import NetworkEvent
from fixtures.uploads import ENCODINGS
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, req, s

AWAKE = {"power_saving_mode": "Disabled"}
"""The DM server reaches the unit at any time."""
EACH_5_MIN = AWAKE | {"readout_interval": 5, "report_interval": 5, "transmit_interval": 60, "transmit_offset": 1,
                      "transmit_delay": 1, "message_encoding": "M-Bus", "max_uploads_per_transmission": 20,
                      "auto_upload_order": "Oldest first"}
"""A dozen readouts an hour, each a telegram of its own, all of them sent just after the hour."""
NAMES = {"senml": "SenML/CBOR", "json": "JSON", "mbus": "M-Bus", "standard": "Standard", "extended": "Extended"}
"""Words of a default topic that tell of its telegrams; what the default topic is, is not printed (G13)."""


# -- one telegram


def offset_in_the_stamp(world, east):
    stamp = world.uploads.arrival().telegram.newest.stamp
    wanted = world.bench.local_standard_time - timedelta(minutes=east)
    fits = abs(stamp - wanted) <= timedelta(minutes=2)
    assert fits, f"stamped {stamp}, and the meter's time less {east} min is {wanted}"


def encoding_of_the_telegram(world, name):
    sent = world.uploads.arrival()
    assert sent.telegram.encoding == ENCODINGS[name], f"sent as {sent.telegram.encoding}, set is {name}"
    topic_fits(sent, "encoding", ("senml", "json", "mbus"), name)


def format_of_the_telegram(world, name):
    sent = world.uploads.arrival()
    has_missing_time = sent.telegram.newest.missing_time is not None
    assert has_missing_time is (name == "Extended"), f"the registers are not those of {name}"
    topic_fits(sent, "format", ("standard", "extended"), name)


def topic_fits(sent, what, words, name):
    """A default topic that names an encoding, or a format, names that of its telegrams."""
    named = [NAMES[word] for word in sent.topic.lower().split("/") if word in words]
    assert named in ([], [name]), f"the topic {sent.topic} names another {what} than {name}"


def topic_of_the_telegram(world, topic):
    sent = world.uploads.arrival()
    assert sent.topic == topic, f"sent on the topic {sent.topic!r}, set is {topic!r}"


# -- a gateway that does not answer


def messages_without_an_answer(world, for_s):
    """When the unit sent the first message that the silent gateway did not answer, and each repetition (bench time)."""
    with world.gateway.silent():
        mark = world.bench.mark()
        world.dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        world.bench.clock.sleep(for_s + 2 * minutes)
        heard = world.gateway.heard(since=mark)
    first = first_of(heard, "a message to the silent gateway")
    same = [one for one in heard if one.name == first.name]
    return [one.time for one in same]


def time_to_a_repetition(world, timeout_s):
    sent = messages_without_an_answer(world, timeout_s)
    assert len(sent) >= 2, "the message was not repeated"
    gap = sent[1] - sent[0]
    assert abs(gap - timeout_s) <= 5 * s, f"repeated after {gap:.1f} s, set are {timeout_s} s"


def number_of_attempts(world, attempts):
    sent = messages_without_an_answer(world, attempts * 5 * s)
    burst = [sent[0], *(later for earlier, later in pairwise(sent) if later - sent[0] < (attempts + 2) * 8 * s)]
    assert len(burst) in (attempts, attempts + 1), f"sent {len(burst)} times, set are {attempts} attempts"
    world.readings.takes("C20", "attempts" if len(burst) == attempts else "retries")
    gaps = [later - earlier for earlier, later in pairwise(burst)]
    assert all(abs(gap - 5 * s) <= 3 * s for gap in gaps), f"repeated after {gaps} s, set are 5 s"


# -- a DM server that does not answer


def update_without_an_answer(world, for_s):
    """When the unit sent a registration update that the silent server did not answer, and each repetition."""
    world.bootstrap.give(dm_lifetime_s=300)
    world.unit.bootstrap_again()
    with world.dm.silent():
        silent = world.bench.clock.time()
        world.bench.clock.sleep(5 * minutes + for_s)
        heard = world.bench.seen("dm", "datagram", after=silent, direction="in")
    first = first_of(heard, "an update of the registration before its end")
    return [seen.time for seen in heard if seen.data["hex"] == first.data["hex"]]


def coap_timeout(world, timeout_s):
    """RFC 7252, 4.2: between the time-out and one and a half times as much, then twice that."""
    sent = update_without_an_answer(world, 2 * timeout_s + 1 * minutes)
    assert len(sent) >= 2, "the update was not repeated"
    gap = sent[1] - sent[0]
    assert timeout_s - 5 * s <= gap <= 1.5 * timeout_s + 5 * s, f"repeated after {gap:.1f} s, set are {timeout_s} s"


def coap_repetitions(world, repetitions):
    sent = update_without_an_answer(world, 2 * s * 1.5 * 2 ** (repetitions + 2))
    assert len(sent) == repetitions + 1, f"sent {len(sent)} times, set are {repetitions} repetitions"


# -- the schedule


def readouts_on_the_grid(world, interval_min):
    """From the second hour on: what was planned before the change may still come (SCH-24)."""
    world.bench.clock.sleep(90 * minutes)
    arrived = world.gateway.count
    world.bench.clock.sleep(3 * days if interval_min == 1440 else 150 * minutes)
    stamps = sorted({sent.stamp for one in world.gateway.arrivals(since=arrived) for sent in one.telegram.readouts})
    minute = {stamp: stamp.hour * 60 + stamp.minute for stamp in stamps}
    assert len(stamps) >= 2, f"{len(stamps)} readouts"
    off_the_grid = [stamp for stamp in stamps if minute[stamp] % interval_min]
    assert not off_the_grid, f"not on the grid of {interval_min} min: {off_the_grid}"
    gaps = {(later - earlier).total_seconds() / 60 for earlier, later in pairwise(stamps)
            if earlier.date() == later.date() or interval_min == 1440}
    assert gaps == {interval_min}, f"readouts {sorted(gaps)} min apart, set are {interval_min} min"


def transmissions(world, since):
    """When transmissions began, since the telegram of that number (bench time): a burst is one."""
    times = [one.time for one in world.gateway.arrivals(since=since)]
    return [times[0], *(later for earlier, later in pairwise(times) if later - earlier > 2 * minutes)] if times else []


def transmissions_on_the_grid(world, interval_min):
    """With an offset of 1 and a delay of 1 min. The grid may begin anew at midnight (U15), so that is kept out."""
    world.bench.clock.sleep(1 * days if interval_min == 1440 else 61 * minutes)
    if interval_min != 1440 and world.bench.local_standard_time.hour > 20:
        world.bench.sleep_until_hour(1)
    arrived = world.gateway.count
    world.bench.clock.sleep(3 * days if interval_min == 1440 else 130 * minutes)
    began = transmissions(world, arrived)
    assert len(began) >= 2, f"{len(began)} transmission(s)"
    for earlier, later in pairwise(began):
        apart = (later - earlier) / 60
        assert abs(apart - interval_min) <= 1.6, f"transmissions {apart:.1f} min apart, set are {interval_min} min"


def minute_of_the_day(world, time_s):
    shown = world.bench.local_standard_time - timedelta(seconds=world.bench.clock.time() - time_s)
    return shown.hour * 60 + shown.minute + shown.second / 60


def transmission_after_its_offset(world, offset_min):
    """One transmission a day, and a delay of 5 min."""
    world.bench.clock.sleep(1 * days)
    arrived = world.gateway.count
    world.bench.clock.sleep(2 * days)
    for time_s in transmissions(world, arrived):
        minute = minute_of_the_day(world, time_s)
        assert offset_min - 0.5 <= minute <= offset_min + 5 + 0.5, (
            f"sent {minute:.1f} min after midnight, set are {offset_min} min and a delay of 5 min")
    assert world.gateway.count > arrived, "no transmission in two days"


def transmissions_within_their_delay(world, delay_min):
    """Each hour from 5 min on. Of 56 random moments one is in the last quarter of the window, but for one run in ten
    millions."""
    world.bench.clock.sleep(1 * hours)
    arrived = world.gateway.count
    world.bench.clock.sleep(56 * hours)
    late = [minute_of_the_day(world, time_s) % 60 - 5 for time_s in transmissions(world, arrived)]
    assert len(late) >= 50, f"{len(late)} transmissions in 56 hours"
    assert min(late) >= -0.5 and max(late) <= delay_min + 0.7, f"{min(late):.1f} to {max(late):.1f} min into the window"
    assert max(late) >= 0.75 * delay_min, f"never later than {max(late):.1f} min, set are {delay_min} min"


def transmissions_over_the_day(world, delay_min):
    """Once a day from 5 min after midnight on. Of 56 random moments one is in the last quarter of the window, but for
    one run in ten millions."""
    world.bench.clock.sleep(1 * days)
    arrived = world.gateway.count
    world.bench.clock.sleep(56 * days)
    late = [minute_of_the_day(world, time_s) - 5 for time_s in transmissions(world, arrived)]
    assert len(late) >= 50, f"{len(late)} transmissions in 56 days"
    assert min(late) >= -0.5 and max(late) <= delay_min + 0.7, f"{min(late):.1f} to {max(late):.1f} min into the window"
    assert max(late) >= 0.75 * delay_min, f"never later than {max(late):.1f} min, set are {delay_min} min"


# -- what a transmission holds


def half_past(world):
    """Let time pass until half an hour after a transmission: what is written now has a whole hour to count for."""
    now = world.bench.local_standard_time
    world.bench.clock.sleep((60 - now.minute) * minutes - now.second + 30 * minutes)


def next_transmission(world):
    """The telegrams of the transmission after the next full hour: each has one readout."""
    now = world.bench.local_standard_time
    world.bench.clock.sleep((60 - now.minute) * minutes - now.second - 10 * s)
    arrived = world.gateway.count
    world.bench.clock.sleep(20 * minutes)
    return world.gateway.arrivals(since=arrived)


def telegrams_in_a_transmission(world, most):
    """Whether a new readout counts is open (U08): one more is right, too."""
    sent = next_transmission(world)
    wanted = (most, most + 1) if most < 12 else range(12, most + 1)
    assert len(sent) in wanted, f"{len(sent)} telegrams in a transmission, and {most} are allowed"


def order_of_a_transmission(world, order):
    stamps = [one.telegram.newest.stamp for one in next_transmission(world)]
    assert len(stamps) >= 3, f"{len(stamps)} telegrams"
    rising = [earlier < later for earlier, later in pairwise(stamps)]
    assert all(rising) if order == "Oldest first" else not any(rising), f"set is {order}, sent were {stamps}"


def age_of_what_is_sent(world, limit_min):
    """One readout of tolerance (U09)."""
    sent = next_transmission(world)
    ages = [minute_of_the_day(world, one.time) % 1440 - one.telegram.newest.stamp.hour * 60
            - one.telegram.newest.stamp.minute for one in sent]
    oldest = max(ages, default=0)
    assert oldest <= limit_min + 5, f"a readout {oldest:.0f} min old was sent, the limit is {limit_min} min"
    assert len(ages) >= min(limit_min // 5 - 1, 11), f"{len(ages)} readouts, the limit of {limit_min} min allows more"


# -- what the network is asked for


def restarted(world):
    """What the unit asks for at its next attach: settings of the radio may wait for one."""
    begun = world.restarts.by("button")
    asked = world.radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, begun, 5 * minutes)
    world.dm.wait_for_registration(15 * minutes, after=begun)
    return asked


def psm_and_edrx(world, mode):
    asked = restarted(world)
    seen = asked.t3324_s is not None, asked.edrx is not None
    assert seen == ("PSM" in mode, "eDRX" in mode), f"PSM, eDRX: {seen}, set is {mode}"


def active_timer(world, wanted_s):
    asked = restarted(world).t3324_s
    near = asked is not None and abs(asked - wanted_s) <= max(60, wanted_s / 10)
    assert near, f"asked for {asked} s, set are {wanted_s} s"


def periodic_timer(world, wanted_s):
    asked = restarted(world).t3412_s
    near = asked is not None and abs(asked - wanted_s) <= max(600, wanted_s / 3)
    assert near, f"asked for {asked} s, set are {wanted_s} s"


def edrx_octet(world, wanted):
    asked = restarted(world).edrx
    assert asked == wanted, f"asked for eDRX {asked}, set is {wanted}"


def edrx_by_hand(world, mode):
    asked = restarted(world).edrx
    assert (asked == 0x25) is (mode == "Manual"), f"asked for eDRX {asked}, the mode is {mode} and the value 37"


# -- the meter


def clock_after_a_restart(world, source):
    """A meter an hour and a half ahead: the network sets it, or it stays so."""
    ahead = world.bench.local_standard_time + timedelta(minutes=90)
    world.meter_simulator.set_clock(ahead)
    world.restarts.and_back("button")
    world.bench.clock.sleep(1 * minutes)
    off = (world.meter.read().meter_time - world.bench.local_standard_time).total_seconds() / 60
    wanted = 0 if source == "Network" else 90
    assert abs(off - wanted) <= 3, f"the meter is {off:.0f} min ahead, the source is {source}"


def retries_of_a_silent_meter(world, retries):
    """Without retries the one read fails, however soon the meter is back; with 255 it is read when it is back.

    A telegram tells of a read when the store has nothing else to give: it is emptied first, and no hour is full
    meanwhile."""
    world.bench.keep_clear_of_the_hour(8 * minutes)
    world.uploads.arrival()
    world.gateway.wait_for_quiet(61 * s)
    for back_after in (1 * s, 5 * s, 30 * s) if retries == 0 else (30 * s,):
        arrived = world.gateway.count
        world.meter_simulator.disconnect()
        world.dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        world.bench.clock.sleep(back_after)
        world.meter_simulator.connect()
        world.bench.clock.sleep(90 * s)
        was_read = world.gateway.count > arrived
        assert was_read is (retries > 0), (
            f"with {retries} retries, a meter silent for {back_after:.0f} s was {'' if was_read else 'not '}read")


# -- the table


@dataclass(frozen=True)
class Effect:
    """``values`` of ``setting``, each written to a unit with ``before``, and the ``look`` that tells."""

    setting: str
    look: Callable[[SimpleNamespace, object], None]
    values: tuple[object, ...]
    before: Mapping[str, object] = field(default_factory=dict)
    takes: str = "20 min"
    needs: tuple[str, ...] = ()
    wait: Callable[[SimpleNamespace], None] = lambda world: None
    """What is waited for before the write."""


LONG_TOPIC = "bench/" + "/".join(f"{number:03}" for number in range(28))
SCHEDULE = EACH_5_MIN | {"readout_interval": 60, "report_interval": 60, "transmit_offset": 5}
DAILY = SCHEDULE | {"transmit_interval": 1440, "transmit_delay": 5}
NAS = ("cell.nas", "panel.button")
EFFECTS = [
    Effect("utc_offset", offset_in_the_stamp, (-720, 720, 345, -1), AWAKE | {"utc_offset": 60}),
    Effect("message_encoding", encoding_of_the_telegram, ("M-Bus", "JSON", "SenML/CBOR"),
           AWAKE | {"message_encoding": "JSON"}),
    Effect("message_format", format_of_the_telegram, ("Extended", "Standard"), AWAKE),
    Effect("mqtt_sn_topic", topic_of_the_telegram, ("t", LONG_TOPIC, "bench/heat"),
           AWAKE | {"mqtt_sn_topic": "before"}),
    Effect("mdm_communication_timeout", time_to_a_repetition, (1, 300, 37), AWAKE | {"mdm_communication_timeout": 10}),
    Effect("mdm_communication_attempts", number_of_attempts, (1, 9, 3),
           AWAKE | {"mdm_communication_timeout": 5, "reconnect_backoff": "10-10"}),
    Effect("coap_ack_timeout", coap_timeout, (1, 300, 37), AWAKE, "30 min"),
    Effect("coap_max_retransmit", coap_repetitions, (0, 6, 3), AWAKE | {"coap_ack_timeout": 2}, "30 min"),
    Effect("readout_interval", readouts_on_the_grid, (5, 1440),
           EACH_5_MIN | {"readout_interval": 15, "report_interval": 5}, "4 d"),
    Effect("readout_interval", readouts_on_the_grid, (7,),
           EACH_5_MIN | {"readout_interval": 15, "report_interval": 7}, "4 h"),
    Effect("transmit_interval", transmissions_on_the_grid, (5, 35, 1440),
           EACH_5_MIN | {"max_uploads_per_transmission": 255}, "4 d"),
    Effect("transmit_offset", transmission_after_its_offset, (1, 1430, 67), DAILY, "3 d"),
    Effect("transmit_delay", transmissions_within_their_delay, (1, 50, 19), SCHEDULE, "60 h"),
    Effect("transmit_delay", transmissions_over_the_day, (1430,),
           DAILY | {"readout_interval": 1440, "report_interval": 1440}, "57 d"),
    Effect("max_uploads_per_transmission", telegrams_in_a_transmission, (1, 255, 7), EACH_5_MIN, "3 h",
           wait=half_past),
    Effect("auto_upload_order", order_of_a_transmission, ("Latest first", "Oldest first"), EACH_5_MIN, "3 h",
           wait=half_past),
    Effect("auto_upload_max_age", age_of_what_is_sent, (1, 525600, 23), EACH_5_MIN, "3 h",
           wait=half_past),
    Effect("power_saving_mode", psm_and_edrx, ("Disabled", "eDRX", "PSM", "eDRX+PSM"), needs=NAS),
    Effect("t3324_timer", active_timer, (0, 11160, 62), needs=NAS),
    Effect("t3412_timer", periodic_timer, (0, 35712000, 12345), needs=NAS),
    Effect("edrx_value", edrx_octet, (0x02, 0xFD, 0x25), {"edrx_mode": "Manual"}, needs=NAS),
    Effect("edrx_mode", edrx_by_hand, ("Automatic", "Manual"), {"edrx_value": 0x25}, needs=NAS),
    Effect("time_sync_source", clock_after_a_restart, ("Manual", "Network"), AWAKE, needs=("meter.simulator",
           "meter.optical", "panel.button")),
    Effect("max_meter_retries", retries_of_a_silent_meter, (0, 255), AWAKE | {"max_meter_retries": 7},
           needs=("meter.simulator",)),
]
ALSO = {"utc_offset": ("LWM2M-3.0.14", "TIME-03"), "mqtt_sn_topic": ("NET-37",), "message_encoding": ("NET-37",),
        "message_format": ("NET-37",), "coap_ack_timeout": ("NET-23",), "coap_max_retransmit": ("NET-24",),
        "mdm_communication_timeout": ("NET-31", "NET-44"), "mdm_communication_attempts": ("NET-32", "NET-44")}
"""Statements that a look shows besides those of the setting's own rows."""


def statements(effect, way):
    setting = settings.find(effect.setting)
    own = (setting.requirement, "OTC-02") if way == "NFC" else ("DM-05", "DM-08")
    rows = tuple(f"LWM2M-{path.replace('/', '.')}" for path in setting.lwm2m) if way == "DM" else ()
    return (*own, *rows, *ALSO.get(effect.setting, ()))


def rows():
    for effect in EFFECTS:
        for way in ways_of(effect.setting):
            for value in effect.values:
                shown = value if not isinstance(value, str) or len(value) < 20 else f"{len(value)} characters"
                over_nfc = way == "NFC" or any("DM" not in ways_of(key) for key in effect.before)
                abilities = (*effect.needs, "settings.nfc.write") if over_nfc else effect.needs
                yield pytest.param(effect, way, value, id=f"{effect.setting}={shown} over {way}", marks=[
                    req(*statements(effect, way)), device_time(effect.takes), needs(*abilities)])


@pytest.mark.parametrize(("effect", "way", "value"), list(rows()))
@in_regression
def test_a_setting_counts_at_once_at_each_value_and_over_each_way(world, effect, way, value):
    world.unit.make_joined(effect.before)
    effect.wait(world)
    if world.effects.write(way, effect.setting, value):
        effect.look(world, value)


@pytest.fixture
def world(request, bench, unit, effects, dm, gateway, bootstrap, restarts, radio, readings):
    """What looks may need. The meter's instruments are there for those that say so."""
    made = SimpleNamespace(bench=bench, unit=unit, effects=effects, dm=dm, gateway=gateway, bootstrap=bootstrap,
                           restarts=restarts, radio=radio, readings=readings)
    asked = {name for marker in request.node.iter_markers("needs") for name in marker.args}
    if "meter.simulator" in asked:
        made.meter_simulator = request.getfixturevalue("meter_simulator")
    if "meter.optical" in asked:
        made.meter = request.getfixturevalue("meter")
    made.uploads = request.getfixturevalue("uploads")
    return made
