"""Firmware of the unit and of its modem over device management: objects 5 and 33909.

What the manual leaves open about packages (G15) is taken from OMA's Firmware Update object, version 1.0. A failed
update may end in any result but success, as long as the unit stays what it was; so may a refusal have any code 4.xx.
"""

from datetime import timedelta

import pytest

from bench.manual import resources
from bench.manual.paths import Device, FirmwareUpdate, McmConfig, NbIotInfo
from fixtures.outcomes import ContentFormat, DmRefused, ServedFile, Status
from fixtures.words import device_time, ets, hours, in_regression, minutes, needs, of_any_client, profile, req, s

IDLE, DOWNLOADING, DOWNLOADED, UPDATING = range(4)
INITIAL, SUCCESS = range(2)
DOWNLOAD_TIMEOUT = 30 * minutes
UPDATE_TIMEOUT = 15 * minutes
in_certification = profile("certification")


PULL_ONLY = 0


@pytest.fixture(autouse=True)
def has_object_5(device):
    if 5 not in device.objects:
        pytest.skip("the device profile names no object 5")


def status(dm):
    return dm.read(FirmwareUpdate.STATE), dm.read(FirmwareUpdate.UPDATE_RESULT)


def wait_for_state(bench, dm, *states, timeout=DOWNLOAD_TIMEOUT):
    """Read the state every 10 s until it is one of ``states``."""
    began = bench.clock.time()
    while (seen := dm.read(FirmwareUpdate.STATE)) not in states:
        assert bench.clock.time() - began < timeout, f"state {seen} after {timeout:g} s, {states} was expected"
        bench.clock.sleep(10 * s)


def download(bench, dm, uri):
    dm.write(FirmwareUpdate.PACKAGE_URI, uri)
    wait_for_state(bench, dm, DOWNLOADED)


BLOCK = 1024
"""Octets: no block of CoAP is larger (RFC 7959)."""


def midway(image):
    """How many blocks have surely come before a download is at its end: ten, or half of a small package."""
    return max(min(10, len(image.content) // BLOCK // 2), 1)


def fails(bench, dm, timeout=DOWNLOAD_TIMEOUT):
    """A download that must fail: no other state is left for it than the first one, no update comes of it, and the unit
    is what it was."""
    version = dm.read(Device.FIRMWARE_VERSION)
    wait_for_state(bench, dm, IDLE, timeout=timeout)
    result = dm.read(FirmwareUpdate.UPDATE_RESULT)
    bench.step(f"the result is {result}")
    assert result != SUCCESS, "a download that has failed has the result of success"
    assert is_refused(dm.execute_refusal(FirmwareUpdate.UPDATE)), "an update without a package is taken"
    dm.expect(Device.FIRMWARE_VERSION, version, "the version is another one after a download that has failed")


def is_refused(code):
    return code.startswith("4.")


def update(bench, dm):
    """Execute, and wait for the registration of the restarted unit."""
    before = bench.clock.time()
    dm.execute(FirmwareUpdate.UPDATE)
    dm.wait_for_registration(UPDATE_TIMEOUT, after=before)


def succeeded(dm, image):
    """The update to ``image`` is done, and told."""
    assert status(dm) == (IDLE, SUCCESS), f"state and result after the update are {status(dm)}"
    dm.expect(Device.FIRMWARE_VERSION, image.version)


@req("FOTA-01", "LWM2M-5.0.2", "LWM2M-5.0.3", "LWM2M-5.0.5", "LWM2M-3.0.3")
@ets("int-771")
@device_time("60 min")
@needs("firmware")
@of_any_client
def test_a_firmware_update_goes_through_all_states_to_the_new_version(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    states = dm.observe(FirmwareUpdate.STATE)
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(image.served))
    wait_for_state(bench, dm, DOWNLOADED)
    dm.expect(FirmwareUpdate.UPDATE_RESULT, INITIAL)
    update(bench, dm)
    succeeded(dm, image)
    seen = [value for notification in states.notifications for value in notification.values.values()]
    assert seen[:2] == [DOWNLOADING, DOWNLOADED], f"the states notified were {seen}"


@req("FOTA-03", "FOTA-01", "LWM2M-5.0.5")
@device_time("90 min")
@needs("firmware")
@profile("regression", "certification")
def test_an_older_version_is_taken_or_refused_each_time(joined_unit, bench, dm, firmware, readings):
    """Whether a unit goes back is open (G15). One that takes it is that version then, and can go forward again; one
    that refuses it stays what it was, however often it is offered."""
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    older = firmware.older_than(image.version)
    if older is None:
        pytest.skip("there is no package that is older than the one that the unit can be updated to")
    for offer in ("once", "again"):
        if dm.read(Device.FIRMWARE_VERSION) != image.version:
            download(bench, dm, firmware.serve(image.served, f"newer-{offer}"))
            update(bench, dm)
            succeeded(dm, image)
        dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(older.served, f"older-{offer}"))
        wait_for_state(bench, dm, DOWNLOADED, IDLE)
        if dm.read(FirmwareUpdate.STATE) == DOWNLOADED:
            update(bench, dm)
        version, result = dm.read(Device.FIRMWARE_VERSION), dm.read(FirmwareUpdate.UPDATE_RESULT)
        assert version in (older.version, image.version), f"the version is {version}, of no package that was offered"
        assert (version == older.version) == (result == SUCCESS), f"version {version} with result {result}"
        readings.takes("G15", "older refused" if version == image.version else "older taken")


@req("LWM2M-5.0.3")
@ets("int-760")
@device_time("15 min")
@needs("firmware")
@of_any_client
def test_each_state_is_notified(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    states = dm.observe(FirmwareUpdate.STATE)
    assert list(states.first.values()) == [IDLE], f"the first state is {states.first}"
    download(bench, dm, firmware.serve(image.served))
    dm.execute(FirmwareUpdate.UPDATE)
    bench.clock.sleep(2 * s)
    seen = [value for notification in states.notifications for value in notification.values.values()]
    assert seen in ([DOWNLOADING, DOWNLOADED, UPDATING], [DOWNLOADING, DOWNLOADED]), f"the states notified were {seen}"


@req("FOTA-02", "LWM2M-5.0.8.0", "LWM2M-5.0.9")
@device_time("15 min")
@needs("firmware")
@in_regression
def test_the_package_is_fetched_by_coap_block_by_block_from_the_uri_given(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.expect(FirmwareUpdate.FIRMWARE_UPDATE_DELIVERY_METHOD, 0, "packages are not pulled only")
    protocols = set(dm.read_all(FirmwareUpdate.FIRMWARE_UPDATE_PROTOCOL_SUPPORT).values())
    assert protocols == {0}, f"packages are fetched by CoAP (0) only, and the unit names {protocols}"
    before = bench.clock.time()
    download(bench, dm, firmware.serve(image.served, "images/n"))
    asked = firmware.requests(before)
    names, codes = {one.name for one in asked}, {one.code for one in asked}
    assert (names, codes) == ({"images/n"}, {"2.05"}), f"asked for {names}, with the answers {codes}"
    sizes = {one.size for one in asked}
    assert len(sizes) == 1, f"blocks of {sorted(sizes)} octets"
    blocks = -(-len(image.content) // sizes.pop())
    assert sorted({one.block for one in asked}) == list(range(blocks)), "not each block of the package"


@req("LWM2M-5.0.1")
@ets("int-756")
@device_time("30 min")
@needs("firmware")
@of_any_client
@pytest.mark.parametrize("when", ["while it is downloaded", "once it is downloaded"])
def test_an_empty_uri_puts_state_and_result_back(joined_unit, bench, dm, firmware, when):
    """And nothing more comes of the package."""
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    uri, began, blocks = firmware.serve(image.served), bench.clock.time(), midway(image)
    dm.write(FirmwareUpdate.PACKAGE_URI, uri)
    if when == "once it is downloaded":
        wait_for_state(bench, dm, DOWNLOADED)
    else:
        bench.expect(lambda: len(firmware.requests(began)) >= blocks or None, DOWNLOAD_TIMEOUT, f"{blocks} block(s)")
    dm.write(FirmwareUpdate.PACKAGE_URI, "")
    for wait_s in (0, 10 * minutes):
        dm.stay_in_touch(wait_s)
        assert status(dm) == (IDLE, INITIAL), f"state and result are {status(dm)}, {wait_s:g} s after an empty URI"
        assert is_refused(dm.execute_refusal(FirmwareUpdate.UPDATE)), "an update without a package is taken"


@req("LWM2M-5.0.1", "LWM2M-5.0.3")
@ets("int-751", "int-755")
@device_time("1 min")
@in_regression
def test_packages_are_not_taken_by_write(joined_unit, dm):
    """OMA has 5/0/0 writable and 5/0/1 readable; by the manual packages are pulled only and 5/0/1 is write-only."""
    before = status(dm)
    assert is_refused(dm.refusal("/5/0/0", b"package")), "a package is taken by write"
    assert is_refused(dm.read_refusal("/5/0/0")), "5/0/0 can be read"
    assert is_refused(dm.read_refusal(FirmwareUpdate.PACKAGE_URI)), "5/0/1 can be read"
    assert status(dm) == before, f"state and result are {status(dm)} after what was refused"
    found = {path.resource_id for path in dm.read_all(FirmwareUpdate.INSTANCE)}
    assert found >= {3, 5, 8, 9}, f"object 5 has the resources {sorted(found)} only"


@req("LWM2M-5.0.3", "LWM2M-3.0.3")
@ets("int-751")
@device_time("30 min")
@needs("firmware")
@profile("client")
def test_a_package_that_is_written_is_installed(joined_unit, bench, dm, firmware):
    """Of the CMi6110 packages are pulled only (above)."""
    if dm.read(FirmwareUpdate.FIRMWARE_UPDATE_DELIVERY_METHOD) == PULL_ONLY:
        pytest.skip("the unit takes packages by their URI only")
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write("/5/0/0", image.content, ContentFormat.OPAQUE)
    wait_for_state(bench, dm, DOWNLOADED)
    update(bench, dm)
    succeeded(dm, image)


@req("LWM2M-5.0.2")
@ets("int-772")
@device_time("1 min")
@of_any_client
def test_an_update_without_a_download_is_refused(joined_unit, dm):
    before = status(dm)
    assert is_refused(dm.execute_refusal(FirmwareUpdate.UPDATE)), "an update without a package is taken"
    assert status(dm) == before, f"state and result are {status(dm)} after what was refused"


@req("FOTA-03")
@ets("int-776")
@device_time("20 min")
@needs("firmware")
@profile("certification", "client")
@pytest.mark.parametrize("position", [0.02, 0.5, 0.999], ids=["head", "middle", "end"])
def test_a_corrupt_package_is_refused(joined_unit, bench, dm, firmware, position):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(image.served.corrupted(int(len(image.content) * position))))
    fails(bench, dm)


@req("FOTA-03", "FOTA-01", "LWM2M-5.0.5")
@device_time("50 min")
@needs("firmware")
@profile("certification", "client")
def test_after_a_corrupt_package_a_good_one_is_taken(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(image.served.corrupted(), "bad"))
    fails(bench, dm)
    download(bench, dm, firmware.serve(image.served, "good"))
    dm.expect(FirmwareUpdate.UPDATE_RESULT, INITIAL)
    update(bench, dm)
    succeeded(dm, image)


@req("FOTA-03")
@device_time("20 min")
@needs("firmware")
@profile("certification", "client")
def test_a_truncated_package_is_refused(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(image.served.truncated(len(image.content) // 2)))
    fails(bench, dm)


@req("FOTA-03")
@ets("int-777")
@device_time("10 min")
@needs("firmware")
@profile("certification", "client")
def test_what_is_no_package_is_refused(joined_unit, bench, dm, firmware):
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(ServedFile(b"Not a firmware package. " * 50)))
    fails(bench, dm)


@req("FOTA-03")
@ets("int-777")
@device_time("10 min")
@needs("firmware.unfit")
@in_certification
def test_the_package_of_another_product_is_refused(joined_unit, bench, dm, firmware):
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(firmware.of_another_product))
    fails(bench, dm)


@req("FOTA-03")
@ets("int-773", "int-774")
@device_time("10 min")
@needs("firmware")
@in_certification
def test_a_package_too_big_for_the_unit_is_refused(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(image.served.padded(16 * 1024 * 1024)))
    fails(bench, dm, 2 * hours)


@req("FOTA-04")
@ets("int-778")
@device_time("10 min")
@profile("certification", "client")
def test_a_missing_file_is_told(joined_unit, bench, dm, firmware):
    uri = firmware.serve(ServedFile(b""), "gone")
    firmware.remove("gone")
    dm.write(FirmwareUpdate.PACKAGE_URI, uri)
    fails(bench, dm)


@req("LWM2M-5.0.1")
@ets("int-778")
@device_time("2 min")
@profile("certification", "client")
@pytest.mark.parametrize("uri", ["no uri at all", "coap:///n", "coap://"])
def test_an_invalid_uri_is_told(joined_unit, bench, dm, uri):
    code = dm.refusal(FirmwareUpdate.PACKAGE_URI, uri)
    if not is_refused(code):
        fails(bench, dm)


@req("LWM2M-5.0.8.0", "FOTA-02")
@device_time("2 min")
@profile("certification", "client")
@pytest.mark.parametrize("scheme", ["coaps", "http", "https", "coap+tcp", "coaps+tcp"])
def test_a_uri_of_a_protocol_that_is_not_supported_is_told(joined_unit, bench, dm, firmware, scheme):
    before = bench.clock.time()
    uri = firmware.serve(ServedFile(b"x")).replace("coap:", f"{scheme}:")
    if not is_refused(dm.refusal(FirmwareUpdate.PACKAGE_URI, uri)):
        fails(bench, dm)
    assert not firmware.requests(before), f"a file is fetched by CoAP for a URI of {scheme}"


@req("FOTA-04")
@ets("int-775")
@device_time("30 min")
@needs("firmware")
@profile("certification", "client")
def test_a_server_that_falls_silent_ends_the_download(joined_unit, bench, dm, firmware):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(ServedFile(image.content, stalls_at_block=midway(image))))
    fails(bench, dm, 2 * hours)


@req("FOTA-04")
@device_time("30 min")
@needs("firmware")
@profile("certification", "client")
@pytest.mark.parametrize("fault", ["unavailable_at_block", "other_etag_at_block"])
def test_a_file_that_goes_away_under_way_ends_the_download(joined_unit, bench, dm, firmware, fault):
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(ServedFile(image.content, **{fault: midway(image)})))
    fails(bench, dm, 2 * hours)


@req("FOTA-04")
@device_time("1 h")
@needs("firmware", "cell.outage")
@in_certification
def test_an_outage_in_a_download_ends_in_a_defined_state(joined_unit, bench, dm, cell, firmware):
    """It goes on where it was, or it has failed; either way a unit that can be asked, and that takes an update."""
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    start_download(bench, dm, firmware, image)
    cell.off()
    bench.clock.sleep(10 * minutes)
    cell.on()
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    ends_well(bench, dm, firmware, image)


def start_download(bench, dm, firmware, image):
    """Some blocks of it have come."""
    started, blocks = bench.clock.time(), midway(image)
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(image.served))
    bench.expect(lambda: len(firmware.requests(started)) >= blocks or None, DOWNLOAD_TIMEOUT, f"{blocks} block(s)")


def ends_well(bench, dm, firmware, image):
    """After whatever has interrupted a download it goes on, is there, or has failed; and the update can be made."""
    state, result = status(dm)
    assert state in (IDLE, DOWNLOADING, DOWNLOADED), f"the state is {state}, and nothing has asked for an update"
    assert result != SUCCESS, "a download that was interrupted has the result of success"
    if state == DOWNLOADING:
        wait_for_state(bench, dm, DOWNLOADED)
    if state == IDLE:
        download(bench, dm, firmware.serve(image.served, "again"))
    update(bench, dm)
    succeeded(dm, image)


@req("FOTA-04", "FOTA-05")
@device_time("1 h")
@needs("firmware", "supply.voltage")
@in_certification
@pytest.mark.parametrize("when", ["while it is downloaded", "once it is downloaded"])
def test_a_power_cut_before_the_update_ends_in_a_defined_state(joined_unit, bench, dm, gateway, supply, firmware, when):
    old = dm.read(Device.FIRMWARE_VERSION)
    image = firmware.other_than(old)
    start_download(bench, dm, firmware, image)
    if when == "once it is downloaded":
        wait_for_state(bench, dm, DOWNLOADED)
    power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    assert dm.read(Device.FIRMWARE_VERSION) == old, "the version is another one, and nothing has asked for an update"
    is_at_work(joined_unit, dm, gateway)
    ends_well(bench, dm, firmware, image)


@req("FOTA-05", "FOTA-06")
@device_time("1 h")
@needs("firmware", "supply.voltage")
@in_certification
@pytest.mark.parametrize("cuts", [1, 3])
@pytest.mark.parametrize("after", [0.2, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0, 30.0], ids=lambda after: f"{after:g} s")
def test_power_cuts_while_updating_leave_a_working_unit(unit, bench, dm, gateway, supply, firmware, after, cuts):
    unit.make_joined({"readout_interval": 30, "report_interval": 30})
    old, before = dm.read(Device.FIRMWARE_VERSION), unit.read_settings().values
    image = firmware.other_than(old)
    download(bench, dm, firmware.serve(image.served))
    dm.execute(FirmwareUpdate.UPDATE)
    for _ in range(cuts):
        bench.clock.sleep(after)
        power_cut(bench, supply, unit)
    dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    version = dm.read(Device.FIRMWARE_VERSION)
    assert version in (old, image.version), f"the version is {version}, neither the old one nor the new one"
    state, result = status(dm)
    assert state != UPDATING, "the unit is at work and still updating"
    assert (version == image.version) == (result == SUCCESS), f"version {version} with result {result}"
    assert changed(before, unit.read_settings().values) == {}, "settings have changed"
    is_at_work(unit, dm, gateway)


def is_at_work(unit, dm, gateway):
    """It takes settings over NFC, reads its meter and sends."""
    unit.write_settings({"max_meter_retries": 7})
    assert dm.read(McmConfig.METER_MAX_RETRY_COUNT) == 7, "what was written over NFC does not show"
    count = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    gateway.wait_for_telegram(15 * minutes, after=count)


def written_over_dm(dm):
    """The settings that a DM server may write, as it reads them: what NFC shows may be older."""
    settings = {one.path for one in resources.writable() if one.readable and not one.obsolete}
    return {str(path): value for path, value in dm.read_all(McmConfig.INSTANCE).items() if path in settings}


def changed(before, after):
    return {key: value for key, value in after.items() if before[key] != value}


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
    """It is refused before the update, or fails in it."""
    version = dm.read(Device.FIRMWARE_VERSION)
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(firmware.unfit))
    wait_for_state(bench, dm, DOWNLOADED, IDLE)
    if dm.read(FirmwareUpdate.STATE) == DOWNLOADED:
        update(bench, dm)
    state, result = status(dm)
    assert state == IDLE, f"the state is {state}"
    assert result != SUCCESS, "a package that the unit can't run has the result of success"
    dm.expect(Device.FIRMWARE_VERSION, version)


@req("FOTA-06")
@device_time("30 min")
@needs("firmware")
@in_certification
def test_settings_survive_an_update(unit, bench, dm, firmware):
    """Each of them is another than that of delivery, by which one that was lost could not be told."""
    unit.make_joined({"readout_interval": 30, "report_interval": 30, "message_encoding": "JSON", "utc_offset": 120,
                      "mqtt_sn_topic": "kept/topic", "max_meter_retries": 7, "transmit_interval": 720,
                      "transmit_offset": 3, "transmit_delay": 7, "reconnect_backoff": "1-2,3-4",
                      "t3324_timer": 240, "t3412_timer": 36_000, "edrx_value": 0x25})
    before, over_dm = unit.read_settings().values, written_over_dm(dm)
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    download(bench, dm, firmware.serve(image.served))
    update(bench, dm)
    succeeded(dm, image)
    lost = changed(before, unit.read_settings().values) | changed(over_dm, written_over_dm(dm))
    assert not lost, f"settings after the update: {lost}"


@req("FOTA-06", "SEC-08", "OTC-T8-03")
@device_time("30 min")
@needs("firmware", "settings.nfc.write")
@in_certification
def test_the_lock_survives_an_update(joined_unit, bench, dm, firmware):
    joined_unit.write_settings({"configuration_lock": "Locked"})
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    download(bench, dm, firmware.serve(image.served))
    update(bench, dm)
    succeeded(dm, image)
    assert dm.read(McmConfig.NFC_CONFIG_LOCKED) is True, "33906/0/5 says after the update that the unit is open"
    status = joined_unit.try_settings({"max_meter_retries": 7}).status
    assert status is Status.AUTH_REQUIRED, f"a setting written without the PAK after the update: {status.name}"
    joined_unit.write_settings({"configuration_lock": "Open"}, bench.keys.pak)


@req("FOTA-06", "FOTA-01")
@device_time("40 min")
@needs("firmware")
@in_certification
def test_after_an_update_the_unit_knows_its_servers_without_a_bootstrap(joined_unit, bench, dm, bootstrap, gateway,
                                                                       firmware):
    """The bootstrap server does not answer."""
    download(bench, dm, firmware.serve(firmware.other_than(dm.read(Device.FIRMWARE_VERSION)).served))
    count = gateway.count
    with bootstrap.silent():
        update(bench, dm)
        gateway.wait_for_telegram(15 * minutes, after=count)


@req("FOTA-06", "SEC-05")
@device_time("50 min")
@needs("firmware")
@in_certification
def test_keys_survive_an_update(secured_unit, security, bench, dm, bootstrap, gateway, firmware):
    """The bootstrap server, which could give them anew, does not answer."""
    download(bench, dm, firmware.serve(firmware.other_than(dm.read(Device.FIRMWARE_VERSION)).served))
    count = gateway.count
    with bootstrap.silent():
        update(bench, dm)
        gateway.wait_for_telegram(15 * minutes, after=count)
    for connection in ("dm", "mdm"):
        assert not security.plain_messages(connection), f"{connection} in clear after the update"


@req("FOTA-06", "SCH-07", "SCH-08")
@device_time("4 h")
@needs("firmware", "meter.optical")
@in_certification
def test_the_schedule_goes_on_after_an_update(history, bench, dm, firmware):
    history.begin({"time_sync_source": "Manual", "power_saving_mode": "Disabled", "readout_interval": 15,
                   "report_interval": 15, "transmit_interval": 15, "transmit_offset": 1, "transmit_delay": 2,
                   "utc_offset": 60})
    history.pass_time(35 * minutes)
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    download(bench, dm, firmware.serve(image.served))
    history.pass_time_until_minute(4, of=15)    # between two windows
    history.may_read("a restart into the new firmware", within=15 * minutes)
    update(bench, dm)
    succeeded(dm, image)
    history.pass_time(2 * hours)
    history.check()


HOURLY = {"readout_interval": 60, "report_interval": 60, "transmit_interval": 1440, "utc_offset": 60,
          "power_saving_mode": "eDRX"}
"""Readouts by the hour that wait for a day, in a unit that stays in reach; its meter's clock is an hour ahead."""


def lost_hours(bench, gateway, since):
    """The hours from ``since`` (UTC) to now whose readout has not arrived."""
    sent = {readout.stamp for arrival in gateway.arrivals() for readout in arrival.telegram.readouts}
    hour = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    due = set()
    while hour <= bench.clock.utc():
        due.add(hour.replace(tzinfo=None))
        hour += timedelta(hours=1)
    return sorted(due - sent)


@req("FOTA-06", "FOTA-10", "RETX-18")
@device_time("12 h")
@needs("firmware")
@in_certification
def test_unsent_readouts_survive_an_update(unit, bench, dm, gateway, firmware):
    unit.make_joined(HOURLY)
    began = bench.clock.utc()
    dm.stay_in_touch(5 * hours)
    arrived = gateway.count
    assert len(lost_hours(bench, gateway, began)) >= 4, "the readouts did not wait"
    download(bench, dm, firmware.serve(firmware.other_than(dm.read(Device.FIRMWARE_VERSION)).served))
    update(bench, dm)
    gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    unit.write_settings({"transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 5})
    bench.clock.sleep(5 * hours)
    bench.sleep_until_hour((bench.local_standard_time.hour + 1) % 24)
    bench.clock.sleep(10 * minutes)
    lost = lost_hours(bench, gateway, began)
    assert len(lost) <= 1, f"lost {', '.join(f'{stamp:%H:%M}' for stamp in lost)}"
    # Of two starts within a minute, that of this test and that of the one before, the readouts have one stamp.
    stamps = [readout.stamp for arrival in gateway.arrivals() for readout in arrival.telegram.readouts
              if readout.stamp > began.replace(tzinfo=None)]
    twice = {stamp for stamp in stamps if stamps.count(stamp) > 1 and stamp.minute}
    assert not twice, f"sent by the old firmware and again by the new one: {sorted(map(str, twice))[:5]}"


# -- the modem's firmware, 33909


MODEM_INITIAL, MODEM_SUCCESS, DOWNLOAD_ERROR, UPDATE_ERROR = range(4)


def update_modem(bench, dm, uri, timeout=60 * minutes):
    """Execute, and read the result as soon as there is one; while the modem restarts the unit is away."""
    began = bench.clock.time()
    dm.execute(NbIotInfo.MODEM_FIRMWARE_UPDATE, f"0='{uri}'")
    while bench.clock.time() - began < timeout:
        bench.clock.sleep(30 * s)
        if dm.registration is not None and dm.answers(60 * s):
            result = dm.read(NbIotInfo.MODEM_FIRMWARE_UPDATE_RESULT)
            if result != MODEM_INITIAL:
                return result
    raise AssertionError(f"no result of the modem update within {timeout:g} s")


@req("FOTA-08", "CMP-11", "LWM2M-33909.0.5", "LWM2M-33909.0.7", "LWM2M-33909.0.8")
@device_time("60 min")
@needs("firmware.modem", "cell.apns")
@profile("regression", "certification")
def test_a_modem_update_brings_the_new_version_and_joins_again(unit, bench, dm, firmware):
    """With the settings that it had."""
    unit.make_joined({"apn_mode": "Manual", "apn": bench.station.file.cell.second_apn})
    before_it = unit.read_settings().values
    image = firmware.other_modem_than(dm.read(NbIotInfo.MODEM_FIRMWARE))
    joins, before = dm.read(NbIotInfo.REGISTRATIONS), bench.clock.time()
    result = update_modem(bench, dm, firmware.serve(image.served, "modem"))
    assert result == MODEM_SUCCESS, f"the result is {result}"
    dm.expect(NbIotInfo.MODEM_FIRMWARE, image.version)
    assert dm.read(NbIotInfo.REGISTRATIONS) > joins, "the modem did not join again"
    asked = {one.name for one in firmware.requests(before)}
    assert asked == {"modem"}, f"the files asked for are {asked}"
    lost = changed(before_it, unit.read_settings().values)
    assert not lost, f"settings after the update: {lost}"


@req("FOTA-09", "LWM2M-33909.0.8")
@device_time("60 min")
@needs("firmware.modem")
@profile("regression", "certification")
@pytest.mark.parametrize("fault", ["missing", "silent", "another protocol"])
def test_a_modem_package_that_can_not_be_fetched_gives_result_2(joined_unit, bench, dm, firmware, bootstrap, fault):
    version = dm.read(NbIotInfo.MODEM_FIRMWARE)
    here = firmware.serve(firmware.other_modem_than(version).served)
    uri = {"missing": here + "-not", "silent": f"{bootstrap.silent_uri}/modem",
           "another protocol": here.replace("coap:", "https:")}[fault]
    if fault == "another protocol" and is_refused(modem_refusal(dm, uri)):
        return    # it is told at once
    result = update_modem(bench, dm, uri)
    assert result == DOWNLOAD_ERROR, f"the result is {result}"
    dm.expect(NbIotInfo.MODEM_FIRMWARE, version, "the version is another one after a download that has failed")


def modem_refusal(dm, uri):
    """The code with which the unit refuses to begin an update of its modem; "" when it begins."""
    try:
        dm.execute(NbIotInfo.MODEM_FIRMWARE_UPDATE, f"0='{uri}'")
    except DmRefused as refused:
        return refused.code
    return ""


@req("FOTA-09", "LWM2M-33909.0.8")
@device_time("60 min")
@needs("firmware.modem")
@profile("regression", "certification")
def test_a_corrupt_modem_package_gives_result_3(joined_unit, bench, dm, firmware):
    version = dm.read(NbIotInfo.MODEM_FIRMWARE)
    image = firmware.other_modem_than(version)
    result = update_modem(bench, dm, firmware.serve(image.served.corrupted()))
    assert result == UPDATE_ERROR, f"the result is {result}"
    dm.expect(NbIotInfo.MODEM_FIRMWARE, version, "the version is another one after an update that has failed")


@req("FOTA-08", "FOTA-09")
@device_time("2 h")
@needs("firmware.modem", "supply.voltage")
@in_certification
@pytest.mark.parametrize("cuts", [1, 3])
@pytest.mark.parametrize("after", [5.0, 20.0, 40.0, 80.0], ids=lambda after: f"{after:g} s")
def test_power_cuts_in_a_modem_update_leave_a_working_unit(joined_unit, bench, dm, supply, firmware, after, cuts):
    old = dm.read(NbIotInfo.MODEM_FIRMWARE)
    image = firmware.other_modem_than(old)
    dm.execute(NbIotInfo.MODEM_FIRMWARE_UPDATE, f"0='{firmware.serve(image.served)}'")
    for _ in range(cuts):
        bench.clock.sleep(after)
        power_cut(bench, supply, joined_unit)
    dm.wait_for_registration(60 * minutes, after=bench.clock.time())
    version, result = dm.read(NbIotInfo.MODEM_FIRMWARE), dm.read(NbIotInfo.MODEM_FIRMWARE_UPDATE_RESULT)
    assert version in (old, image.version), f"the version is {version}, neither the old one nor the new one"
    assert version == image.version or result != MODEM_SUCCESS, f"version {version} with result {result}"
    if version != image.version:
        result = update_modem(bench, dm, firmware.serve(image.served, "again"))
        assert result == MODEM_SUCCESS, f"an update after one that was interrupted has the result {result}"


@req("LWM2M-33909.0.7")
@device_time("2 min")
@in_regression
@pytest.mark.parametrize("arguments", ["", "0", "1='coap://192.0.2.1/x'", "0='", "0=''"])
def test_a_modem_update_without_a_url_is_refused(joined_unit, dm, arguments):
    with pytest.raises(DmRefused, match=r" 4\.\d\d"):
        dm.execute(NbIotInfo.MODEM_FIRMWARE_UPDATE, arguments)


@req("FOTA-09", "FOTA-08")
@device_time("2 h")
@needs("firmware.modem")
@in_certification
def test_after_a_failed_modem_update_a_good_one_works(joined_unit, bench, dm, firmware):
    image = firmware.other_modem_than(dm.read(NbIotInfo.MODEM_FIRMWARE))
    results = [update_modem(bench, dm, firmware.serve(image.served.corrupted(), "bad")),
               update_modem(bench, dm, firmware.serve(image.served, "good"))]
    assert results == [UPDATE_ERROR, MODEM_SUCCESS], f"the results are {results}"
    dm.expect(NbIotInfo.MODEM_FIRMWARE, image.version)


@req("FOTA-10")
@device_time("3 h")
@needs("firmware.modem")
@in_certification
def test_readouts_go_on_during_a_modem_update(unit, bench, dm, gateway, firmware):
    unit.make_joined(HOURLY)
    began = bench.clock.utc()
    dm.stay_in_touch(2 * hours)
    image = firmware.other_modem_than(dm.read(NbIotInfo.MODEM_FIRMWARE))
    result = update_modem(bench, dm, firmware.serve(image.served))
    assert result == MODEM_SUCCESS, f"the result is {result}"
    arrived = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    bench.clock.sleep(1 * minutes)
    lost = lost_hours(bench, gateway, began)
    assert len(lost) <= 1, f"lost {', '.join(f'{stamp:%H:%M}' for stamp in lost)}"
