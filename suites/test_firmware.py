"""Firmware of the unit and of its modem over device management: objects 5 and 33909.

What the manual leaves open about packages (G15) is taken from OMA's Firmware Update object, version 1.0. A failed
update may end in any result but success, as long as the unit stays what it was: ``RESULTS`` are those that OMA names.
"""

from datetime import timedelta

import pytest

from fixtures.outcomes import DmRefused, ServedFile
from fixtures.words import device_time, ets, hours, in_regression, minutes, needs, profile, req, s

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = range(4)
INITIAL, SUCCESS, NO_FLASH, NO_RAM, CONNECTION_LOST, DAMAGED, WRONG_TYPE, BAD_URI, FAILED, BAD_PROTOCOL = range(10)
DOWNLOAD_TIMEOUT = 30 * minutes
UPDATE_TIMEOUT = 15 * minutes
in_certification = profile("certification")


def status(dm):
    return dm.read("/5/0/3"), dm.read("/5/0/5")


def wait_for_state(bench, dm, state, timeout=DOWNLOAD_TIMEOUT):
    """Read the state every 10 s until it is ``state``."""
    began = bench.clock.time()
    while (seen := dm.read("/5/0/3")) != state:
        assert bench.clock.time() - began < timeout, f"state {seen} after {timeout:g} s, {state} was expected"
        bench.clock.sleep(10 * s)


def download(bench, dm, uri):
    dm.write("/5/0/1", uri)
    wait_for_state(bench, dm, DOWNLOADED)


def wait_for_result(bench, dm, timeout=DOWNLOAD_TIMEOUT):
    """The result of a download that must fail: no other state is left for it than the first one."""
    wait_for_state(bench, dm, IDLE, timeout)
    return dm.read("/5/0/5")


def update(bench, dm):
    """Execute, and wait for the registration of the restarted unit."""
    before = bench.clock.time()
    dm.execute("/5/0/2")
    dm.wait_for_registration(UPDATE_TIMEOUT, after=before)


@req("FOTA-01", "LWM2M-5.0.2", "LWM2M-5.0.3", "LWM2M-5.0.5", "LWM2M-3.0.3")
@ets("int-771")
@device_time("30 min")
@needs("firmware")
@profile("regression", "certification")
def test_a_firmware_update_goes_through_all_states_to_the_new_version(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read("/3/0/3"))
    states = dm.observe("/5/0/3")
    uri = firmware.serve(image.served)
    dm.write("/5/0/1", uri)
    wait_for_state(bench, dm, DOWNLOADED)
    before = bench.clock.time()
    dm.execute("/5/0/2")
    dm.wait_for_registration(UPDATE_TIMEOUT, after=before)
    assert status(dm) == (IDLE, SUCCESS)
    assert dm.read("/3/0/3") == image.version
    seen = [value for notification in states.notifications for value in notification.values.values()]
    assert seen[:2] == [DOWNLOADING, DOWNLOADED], f"the states notified were {seen}"


@req("LWM2M-5.0.3")
@ets("int-760")
@device_time("15 min")
@needs("firmware")
@in_regression
def test_each_state_is_notified(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read("/3/0/3"))
    states = dm.observe("/5/0/3")
    assert list(states.first.values()) == [IDLE]
    download(bench, dm, firmware.serve(image.served))
    dm.execute("/5/0/2")
    bench.clock.sleep(2 * s)
    seen = [value for notification in states.notifications for value in notification.values.values()]
    assert seen == [DOWNLOADING, DOWNLOADED, UPDATING] or seen == [DOWNLOADING, DOWNLOADED], seen


@req("FOTA-02", "LWM2M-5.0.8.0", "LWM2M-5.0.9")
@device_time("15 min")
@needs("firmware")
@in_regression
def test_the_package_is_fetched_by_coap_block_by_block_from_the_uri_given(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read("/3/0/3"))
    assert dm.read("/5/0/9") == 0, "not pull only"
    assert set(dm.read_all("/5/0/8").values()) == {0}, "not CoAP only"
    before = bench.clock.time()
    download(bench, dm, firmware.serve(image.served, "images/n"))
    asked = firmware.requests(before)
    assert {one.name for one in asked} == {"images/n"}
    assert {one.code for one in asked} == {"2.05"}
    sizes = {one.size for one in asked}
    assert len(sizes) == 1
    blocks = -(-len(image.content) // sizes.pop())
    assert sorted({one.block for one in asked}) == list(range(blocks)), "not each block of the package"


@req("LWM2M-5.0.1")
@ets("int-756")
@device_time("15 min")
@needs("firmware")
@in_regression
def test_an_empty_uri_puts_state_and_result_back(joined_unit, bench, dm, firmware):
    download(bench, dm, firmware.serve(firmware.other_than(dm.read("/3/0/3")).served))
    dm.write("/5/0/1", "")
    assert status(dm) == (IDLE, INITIAL)
    assert dm.execute_refusal("/5/0/2"), "an update without a package"


@req("LWM2M-5.0.1", "LWM2M-5.0.3")
@ets("int-751", "int-755")
@device_time("1 min")
@in_regression
def test_packages_are_not_taken_by_write(joined_unit, dm):
    """OMA has 5/0/0 writable and 5/0/1 readable; by the manual packages are pulled only and 5/0/1 is write-only."""
    before = status(dm)
    assert dm.refusal("/5/0/0", b"package") in ("4.04", "4.05")
    assert dm.read_refusal("/5/0/0") in ("4.04", "4.05")
    assert dm.read_refusal("/5/0/1") == "4.05"
    assert status(dm) == before
    assert {path.resource_id for path in dm.read_all("/5/0")} >= {3, 5, 8, 9}


@req("LWM2M-5.0.2")
@ets("int-772")
@device_time("1 min")
@in_regression
def test_an_update_without_a_download_is_refused(joined_unit, dm):
    before = status(dm)
    assert dm.execute_refusal("/5/0/2") == "4.05"
    assert status(dm) == before


@req("FOTA-03")
@ets("int-776")
@device_time("20 min")
@needs("firmware")
@in_certification
@pytest.mark.parametrize("position", [0.02, 0.5, 0.999], ids=["head", "middle", "end"])
def test_a_corrupt_package_is_refused(joined_unit, bench, dm, firmware, position):
    version = dm.read("/3/0/3")
    image = firmware.other_than(version)
    uri = firmware.serve(image.served.corrupted(int(len(image.content) * position)))
    dm.write("/5/0/1", uri)
    result = wait_for_result(bench, dm)
    assert result == DAMAGED, f"the result is {result}"
    assert dm.execute_refusal("/5/0/2") == "4.05"
    assert dm.read("/3/0/3") == version


@req("FOTA-03", "FOTA-01")
@device_time("50 min")
@needs("firmware")
@in_certification
def test_after_a_corrupt_package_a_good_one_is_taken(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read("/3/0/3"))
    dm.write("/5/0/1", firmware.serve(image.served.corrupted(), "bad"))
    assert wait_for_result(bench, dm) != SUCCESS
    download(bench, dm, firmware.serve(image.served, "good"))
    update(bench, dm)
    assert dm.read("/3/0/3") == image.version
    assert status(dm) == (IDLE, SUCCESS)


@req("FOTA-03")
@device_time("20 min")
@needs("firmware")
@in_certification
def test_a_truncated_package_is_refused(joined_unit, bench, dm, firmware):
    version = dm.read("/3/0/3")
    image = firmware.other_than(version)
    dm.write("/5/0/1", firmware.serve(image.served.truncated(len(image.content) // 2)))
    assert wait_for_result(bench, dm) not in (INITIAL, SUCCESS)
    assert dm.read("/3/0/3") == version


@req("FOTA-03")
@ets("int-777")
@device_time("10 min")
@needs("firmware")
@in_certification
def test_what_is_no_package_is_refused(joined_unit, bench, dm, firmware):
    dm.write("/5/0/1", firmware.serve(ServedFile(b"Not a firmware package. " * 50)))
    assert wait_for_result(bench, dm) == WRONG_TYPE


@req("FOTA-03")
@ets("int-777")
@device_time("10 min")
@needs("firmware.unfit")
@in_certification
def test_the_package_of_another_product_is_refused(joined_unit, bench, dm, firmware):
    dm.write("/5/0/1", firmware.serve(firmware.of_another_product))
    assert wait_for_result(bench, dm) == WRONG_TYPE


@req("FOTA-03")
@ets("int-773", "int-774")
@device_time("10 min")
@needs("firmware")
@in_certification
def test_a_package_too_big_for_the_unit_is_refused(joined_unit, bench, dm, firmware):
    """Whether flash or RAM is short first is the unit's own: results 2 and 3 are both right."""
    image = firmware.other_than(dm.read("/3/0/3"))
    dm.write("/5/0/1", firmware.serve(image.served.padded(16 * 1024 * 1024)))
    assert wait_for_result(bench, dm, 2 * hours) in (NO_FLASH, NO_RAM)


@req("FOTA-04")
@ets("int-778")
@device_time("10 min")
@in_certification
def test_a_missing_file_is_told(joined_unit, bench, dm, firmware):
    uri = firmware.serve(ServedFile(b""), "gone")
    firmware.remove("gone")
    dm.write("/5/0/1", uri)
    assert wait_for_result(bench, dm) == BAD_URI


@req("LWM2M-5.0.1")
@ets("int-778")
@device_time("2 min")
@in_certification
@pytest.mark.parametrize("uri", ["no uri at all", "coap:///n", "coap://"])
def test_an_invalid_uri_is_told(joined_unit, bench, dm, uri):
    code = dm.refusal("/5/0/1", uri)
    assert code == "4.00" or (not code and wait_for_result(bench, dm) == BAD_URI), f"{code or 'taken'}, {status(dm)}"


@req("LWM2M-5.0.8.0", "FOTA-02")
@device_time("2 min")
@in_certification
@pytest.mark.parametrize("scheme", ["coaps", "http", "https", "coap+tcp", "coaps+tcp"])
def test_a_uri_of_a_protocol_that_is_not_supported_is_told(joined_unit, bench, dm, firmware, scheme):
    before = bench.clock.time()
    uri = firmware.serve(ServedFile(b"x")).replace("coap:", f"{scheme}:")
    code = dm.refusal("/5/0/1", uri)
    assert code == "4.00" or wait_for_result(bench, dm) in (BAD_PROTOCOL, BAD_URI)
    assert not firmware.requests(before)


@req("FOTA-04")
@ets("int-775")
@device_time("30 min")
@needs("firmware")
@in_certification
def test_a_server_that_falls_silent_ends_the_download(joined_unit, bench, dm, firmware):
    version = dm.read("/3/0/3")
    dm.write("/5/0/1", firmware.serve(ServedFile(firmware.other_than(version).content, stalls_at_block=10)))
    assert wait_for_result(bench, dm, 2 * hours) == CONNECTION_LOST
    assert dm.read("/3/0/3") == version


@req("FOTA-04")
@device_time("30 min")
@needs("firmware")
@in_certification
@pytest.mark.parametrize("fault", ["unavailable_at_block", "other_etag_at_block"])
def test_a_file_that_goes_away_under_way_ends_the_download(joined_unit, bench, dm, firmware, fault):
    version = dm.read("/3/0/3")
    dm.write("/5/0/1", firmware.serve(ServedFile(firmware.other_than(version).content, **{fault: 10})))
    assert wait_for_result(bench, dm, 2 * hours) not in (INITIAL, SUCCESS)
    assert dm.read("/3/0/3") == version


@req("FOTA-04")
@device_time("1 h")
@needs("firmware", "cell.outage")
@in_certification
def test_an_outage_in_a_download_ends_in_a_defined_state(joined_unit, bench, dm, cell, firmware):
    """It goes on where it was, or it has failed and says so; either way a unit that can be asked."""
    image = firmware.other_than(dm.read("/3/0/3"))
    started = bench.clock.time()
    dm.write("/5/0/1", firmware.serve(image.served))
    bench.expect(lambda: len(firmware.requests(started)) >= 10 or None, DOWNLOAD_TIMEOUT, "ten blocks")
    cell.off()
    bench.clock.sleep(10 * minutes)
    cell.on()
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    state, result = status(dm)
    assert state in (DOWNLOADED, DOWNLOADING) or (state == IDLE and result not in (INITIAL, SUCCESS)), (state, result)
    if state == DOWNLOADING:
        wait_for_state(bench, dm, DOWNLOADED)
    if state == IDLE:
        download(bench, dm, firmware.serve(image.served, "again"))
    update(bench, dm)
    assert dm.read("/3/0/3") == image.version


@req("FOTA-04")
@device_time("1 h")
@needs("firmware", "supply.voltage")
@in_certification
def test_a_power_cut_in_a_download_ends_in_a_defined_state(joined_unit, bench, dm, supply, firmware):
    version = dm.read("/3/0/3")
    started = bench.clock.time()
    dm.write("/5/0/1", firmware.serve(firmware.other_than(version).served))
    bench.expect(lambda: len(firmware.requests(started)) >= 10 or None, DOWNLOAD_TIMEOUT, "ten blocks")
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    state, result = status(dm)
    assert state in (DOWNLOADING, DOWNLOADED) or (state == IDLE and result not in (INITIAL, SUCCESS)), (state, result)
    assert dm.read("/3/0/3") == version


@req("FOTA-05")
@device_time("1 h")
@needs("firmware", "supply.voltage")
@in_certification
@pytest.mark.parametrize("after", [1.0, 3.0, 6.0, 10.0, 15.0, 21.0], ids=lambda after: f"{after:g} s")
def test_a_power_cut_while_updating_leaves_a_working_unit(joined_unit, bench, dm, supply, firmware, after):
    old = dm.read("/3/0/3")
    image = firmware.other_than(old)
    download(bench, dm, firmware.serve(image.served))
    dm.execute("/5/0/2")
    bench.clock.sleep(after)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    version = dm.read("/3/0/3")
    assert version in (old, image.version)
    state, result = status(dm)
    assert state != UPDATING
    assert (version == image.version) == (result == SUCCESS), f"version {version} with result {result}"


def power_cut(bench, supply, unit, for_s=10 * s):
    supply.output_off()
    bench.clock.sleep(for_s)
    unit.power_up()


@req("FOTA-03", "FOTA-05")
@ets("int-779")
@device_time("30 min")
@needs("firmware.unfit")
@in_certification
def test_a_package_that_the_unit_can_not_run_leaves_the_old_one(joined_unit, bench, dm, firmware):
    version = dm.read("/3/0/3")
    download(bench, dm, firmware.serve(firmware.unfit))
    update(bench, dm)
    assert status(dm) == (IDLE, FAILED)
    assert dm.read("/3/0/3") == version


@req("FOTA-06")
@device_time("30 min")
@needs("firmware", "nfc")
@in_certification
def test_settings_survive_an_update(unit, bench, dm, firmware):
    unit.make_joined({"readout_interval": 30, "message_encoding": "JSON", "mqtt_sn_topic": "kept/topic",
                      "utc_offset": 120})
    before = unit.read_settings().values
    download(bench, dm, firmware.serve(firmware.other_than(dm.read("/3/0/3")).served))
    update(bench, dm)
    assert status(dm) == (IDLE, SUCCESS)
    after = unit.read_settings().values
    assert {key: value for key, value in after.items() if before[key] != value} == {}


@req("FOTA-06", "FOTA-01")
@device_time("30 min")
@needs("firmware")
@in_certification
def test_after_an_update_the_unit_needs_no_bootstrap(joined_unit, bench, dm, bootstrap, firmware):
    before = bench.clock.time()
    download(bench, dm, firmware.serve(firmware.other_than(dm.read("/3/0/3")).served))
    update(bench, dm)
    assert not bootstrap.sequences(before), "the accounts were lost"


HOURLY = {"readout_interval": 60, "report_interval": 60, "transmit_interval": 1440, "utc_offset": 60,
          "power_saving_mode": "eDRX"}
"""Readouts by the hour that wait for a day, in a unit that stays in reach; its meter's clock is an hour ahead."""


def lost_hours(bench, gateway, since):
    """The hours from ``since`` (UTC) to now whose readout has not arrived."""
    sent = {readout.time.replace(tzinfo=None) for arrival in gateway.arrivals()
            for readout in arrival.telegram.readouts if readout.time}
    hour = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    due = set()
    while hour <= bench.clock.utc():
        due.add(hour.replace(tzinfo=None))
        hour += timedelta(hours=1)
    return sorted(due - sent)


@req("FOTA-06", "FOTA-10")
@device_time("6 h")
@needs("firmware", "nfc")
@in_certification
def test_unsent_readouts_survive_an_update(unit, bench, dm, gateway, firmware):
    unit.make_joined(HOURLY)
    began = bench.clock.utc()
    dm.stay_in_touch(5 * hours)
    arrived = gateway.count
    assert len(lost_hours(bench, gateway, began)) >= 4, "the readouts did not wait"
    download(bench, dm, firmware.serve(firmware.other_than(dm.read("/3/0/3")).served))
    update(bench, dm)
    gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    bench.clock.sleep(1 * minutes)
    lost = lost_hours(bench, gateway, began)
    assert len(lost) <= 1, f"lost {', '.join(f'{stamp:%H:%M}' for stamp in lost)}"


# -- the modem's firmware, 33909


MODEM_VERSION, MODEM_UPDATE, MODEM_RESULT = "/33909/0/5", "/33909/0/7", "/33909/0/8"
MODEM_INITIAL, MODEM_SUCCESS, DOWNLOAD_ERROR, UPDATE_ERROR = range(4)


def update_modem(bench, dm, uri, timeout=60 * minutes):
    """Execute, and read the result as soon as there is one; while the modem restarts the unit is away."""
    began = bench.clock.time()
    dm.execute(MODEM_UPDATE, f"0='{uri}'")
    while bench.clock.time() - began < timeout:
        bench.clock.sleep(30 * s)
        if dm.registration is not None and dm.answers(60 * s) and (result := dm.read(MODEM_RESULT)) != MODEM_INITIAL:
            return result
    raise AssertionError(f"no result of the modem update within {timeout:g} s")


@req("FOTA-08", "CMP-11", "LWM2M-33909.0.5", "LWM2M-33909.0.7", "LWM2M-33909.0.8")
@device_time("60 min")
@needs("firmware.modem")
@profile("regression", "certification")
def test_a_modem_update_brings_the_new_version_and_joins_again(joined_unit, bench, dm, firmware):
    image = firmware.other_modem_than(dm.read(MODEM_VERSION))
    joins, before = dm.read("/33909/0/2"), bench.clock.time()
    assert update_modem(bench, dm, firmware.serve(image.served, "modem")) == MODEM_SUCCESS
    assert dm.read(MODEM_VERSION) == image.version
    assert dm.read("/33909/0/2") > joins, "the modem did not join again"
    assert {one.name for one in firmware.requests(before)} == {"modem"}


@req("FOTA-09", "LWM2M-33909.0.8")
@device_time("60 min")
@needs("firmware.modem")
@profile("regression", "certification")
@pytest.mark.parametrize("fault", ["missing", "silent", "another protocol"])
def test_a_modem_package_that_can_not_be_fetched_gives_result_2(joined_unit, bench, dm, firmware, bootstrap, fault):
    version = dm.read(MODEM_VERSION)
    here = firmware.serve(firmware.other_modem_than(version).served)
    uri = {"missing": here + "-not", "silent": f"{bootstrap.silent_uri}/modem",
           "another protocol": here.replace("coap:", "https:")}[fault]
    assert update_modem(bench, dm, uri) == DOWNLOAD_ERROR
    assert dm.read(MODEM_VERSION) == version


@req("FOTA-09", "LWM2M-33909.0.8")
@device_time("60 min")
@needs("firmware.modem")
@profile("regression", "certification")
def test_a_corrupt_modem_package_gives_result_3(joined_unit, bench, dm, firmware):
    version = dm.read(MODEM_VERSION)
    image = firmware.other_modem_than(version)
    assert update_modem(bench, dm, firmware.serve(image.served.corrupted())) == UPDATE_ERROR
    assert dm.read(MODEM_VERSION) == version


@req("LWM2M-33909.0.7")
@device_time("2 min")
@in_regression
@pytest.mark.parametrize("arguments", ["", "0", "1='coap://192.0.2.1/x'", "0='", "0=''"])
def test_a_modem_update_without_a_url_is_refused(joined_unit, dm, arguments):
    with pytest.raises(DmRefused, match=r"4\.0[05]"):
        dm.execute(MODEM_UPDATE, arguments)


@req("FOTA-09", "FOTA-08")
@device_time("2 h")
@needs("firmware.modem")
@in_certification
def test_after_a_failed_modem_update_a_good_one_works(joined_unit, bench, dm, firmware):
    image = firmware.other_modem_than(dm.read(MODEM_VERSION))
    assert update_modem(bench, dm, firmware.serve(image.served.corrupted(), "bad")) == UPDATE_ERROR
    assert update_modem(bench, dm, firmware.serve(image.served, "good")) == MODEM_SUCCESS
    assert dm.read(MODEM_VERSION) == image.version


@req("FOTA-10")
@device_time("3 h")
@needs("firmware.modem", "nfc")
@in_certification
def test_readouts_go_on_during_a_modem_update(unit, bench, dm, gateway, firmware):
    unit.make_joined(HOURLY)
    began = bench.clock.utc()
    dm.stay_in_touch(2 * hours)
    image = firmware.other_modem_than(dm.read(MODEM_VERSION))
    assert update_modem(bench, dm, firmware.serve(image.served)) == MODEM_SUCCESS
    arrived = gateway.count
    dm.execute("/33906/0/10")
    gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    bench.clock.sleep(1 * minutes)
    assert len(lost_hours(bench, gateway, began)) <= 1
