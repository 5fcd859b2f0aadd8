"""What the unit shows of what its maker declares of it (PICS): put down here, and held against the declaration where a
certification pack is made."""

from bench.manual.paths import Device
from fixtures.outcomes import ContentFormat, DmMalformed, DmRefused
from fixtures.security import CONNECTIONS
from fixtures.words import device_time, in_regression, minutes, needs, of_any_client, req, s

CONNECTION_ID = 54
"""Of the extensions of a ClientHello (RFC 9146)."""
FORMATS = {ContentFormat.TEXT: "text", ContentFormat.TLV: "tlv", ContentFormat.JSON: "json",
           ContentFormat.SENML_JSON: "senml-json", ContentFormat.SENML_CBOR: "senml-cbor", ContentFormat.CBOR: "cbor"}


@req("LWM2M-3.0.0", "LWM2M-3.0.1", "LWM2M-3.0.3")
@device_time("1 min")
@of_any_client
def test_what_the_unit_says_that_it_is(joined_unit, dm, device, declaration):
    dm.expect(Device.MANUFACTURER, device.manufacturer)
    told = {"manufacturer": Device.MANUFACTURER, "model": Device.MODEL_NUMBER, "firmware": Device.FIRMWARE_VERSION}
    for name, path in told.items():
        value = dm.read(path)
        assert value, f"{path} is empty"
        declaration.shows(name, str(value))
    registration = dm.registration
    declaration.shows("lwm2m", registration.lwm2m_version)
    declaration.shows("objects", sorted({int(link.path[0]) for link in registration.objects if link.path}))


@req("DM-01", "LWM2M-3.0.0")
@device_time("1 min")
@of_any_client
def test_in_which_formats_the_unit_answers(joined_unit, dm, declaration):
    taken = []
    for content_format, name in FORMATS.items():
        path = Device.MANUFACTURER if content_format in (ContentFormat.TEXT, ContentFormat.CBOR) else Device.INSTANCE
        try:
            dm.read_all(path, content_format)
        except (DmRefused, DmMalformed):    # not offered, or not understood
            continue
        taken.append(name)
    assert taken, "the unit answers in no format"
    declaration.shows("formats", taken)


@req("OTC-T8-03")
@device_time("10 s")
@needs("settings.nfc.read")
@in_regression
def test_which_lock_the_unit_was_delivered_with(unit, declaration):
    """Open is printed; a unit may have been ordered otherwise. That anybody may set up a unit with an open lock is a
    risk that a certification pack names."""
    unit.power_up()
    lock = unit.delivered.values["configuration_lock"]
    assert lock in ("Open", "Locked"), f"the configuration lock is {lock!r}"
    declaration.shows("lock_at_delivery", lock.lower())
    declaration.shows("nfc", True)


@req("SEC-01", "SEC-11")
@device_time("5 min")
@needs("dtls", "panel.button")
@in_regression
def test_which_suites_the_unit_offers(security, dm, panel, declaration):
    security.join(*CONNECTIONS)
    dm.wait_for_registration(10 * minutes, after=panel.press(6 * s)[1])
    hellos = [hello.message for connection in CONNECTIONS for hello in security.hellos(connection)]
    assert hellos, "no ClientHello came whole in one datagram"
    declaration.shows("cipher_suites", sorted({f"0x{suite:04X}" for hello in hellos for suite in hello.suites
                                               if suite != 0x00FF}))
    declaration.shows("dtls_psk", True)
    declaration.shows("dtls_connection_id", any(
        kind == CONNECTION_ID for hello in hellos for kind, _ in hello.extensions))
