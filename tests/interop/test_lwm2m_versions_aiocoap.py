"""What clients of LwM2M 1.0, 1.1 and 1.2 do differently, with a client made of stock aiocoap.

Alternate paths, queue mode in updates, parameters to come, LwM2M CBOR, attributes, instances.
"""

from __future__ import annotations

from collections.abc import Iterator

import aiocoap
import cbor2
import pytest
from lwm2m_unit import UNIT, Lab

from bench.backend.dm import DmMalformed
from bench.clock import WarpClock
from bench.errors import BenchError
from bench.protocols.lwm2m import ContentFormat, Link, Path


@pytest.fixture
def lab() -> Iterator[Lab]:
    with WarpClock() as clock:
        lab = Lab(clock)
        yield lab
        lab.stop()


def register(lab: Lab, links: bytes, query: str = "&lwm2m=1.1&b=U") -> None:
    assert lab.post(f"{lab.backend.uris.dm}/rd?ep={UNIT}{query}", links).code == aiocoap.CREATED


# -- alternate path ---------------------------------------------------------------------------------------------------

ROOTS = {
    "first": (b'</lwm2m>;rt="oma.lwm2m",</lwm2m/1/1>,</lwm2m/3/0>;ver=1.1,</lwm2m/33906>', "/lwm2m"),
    "last, among types": (b'</a/b/1/1>,</a/b/3/0>;ver=1.1,</a/b/33906>,</a/b>;rt="core.rd oma.lwm2m";ct="112 110"',
                          "/a/b"),
    "with a last slash": (b'</x/>;rt="oma.lwm2m",</x/1/1>,</x/3/0>;ver=1.1,</x/33906>', "/x"),
    "a number": (b'</1>;rt="oma.lwm2m",</1/1/1>,</1/3/0>;ver=1.1,</1/33906>', "/1"),
}


@pytest.mark.parametrize("name", ROOTS)
def test_every_request_goes_below_the_announced_root(lab, name):
    links, root = ROOTS[name]
    register(lab, links)
    run, unit = lab.clock.run, lab.unit
    registered = {link.target: link.attributes for link in lab.dm.registrations[UNIT].objects}
    assert {"/1/1", "/3/0", "/33906"} <= registered.keys()
    assert registered["/3/0"] == {"ver": "1.1"}
    unit.holds(f"{root}/3/0/0", b"Elvaco", 0)
    unit.holds(f"{root}/4/0/2", b"-90", 0)
    unit.answers["FETCH", root] = (aiocoap.CONTENT, cbor2.dumps([{0: "/3/0/0", 3: "Elvaco"}]), 112)
    unit.answers["POST", f"{root}/1"] = (aiocoap.CREATED, b"", None)
    unit.created_at = (*root.strip("/").split("/"), "1", "7")
    assert run(lab.dm.read("/3/0/0")) == "Elvaco"
    assert run(lab.dm.read_composite(["/3/0/0"])) == {Path(3, 0, 0): "Elvaco"}
    assert run(lab.dm.create("/1", {0: 101})) == Path(1, 7)
    run(lab.dm.write("/33906/0/17", 60))
    run(lab.dm.write_composite({"/33906/0/17": 60}))
    run(lab.dm.write_attributes("/4/0/2", {"pmin": 1}))
    run(lab.dm.execute("/3/0/4"))
    run(lab.dm.delete("/1/7"))
    assert [(method, path) for method, path, _, _ in unit.requests] == [
        ("GET", f"{root}/3/0/0"), ("FETCH", root), ("POST", f"{root}/1"), ("PUT", f"{root}/33906/0/17"),
        ("iPATCH", root), ("PUT", f"{root}/4/0/2"), ("POST", f"{root}/3/0/4"), ("DELETE", f"{root}/1/7")]


def test_discover_shows_paths_as_seen_from_the_root(lab):
    register(lab, ROOTS["first"][0])
    lab.unit.holds("/lwm2m/3/0", b"</lwm2m/3/0>;pmin=10,</lwm2m/3/0/0>,</lwm2mx/3/0/1>,</3/0/9>", 40)
    assert lab.clock.run(lab.dm.discover("/3/0")) == [
        Link("/3/0", {"pmin": "10"}), Link("/3/0/0", {}), Link("/lwm2mx/3/0/1", {}), Link("/3/0/9", {})]


def test_an_update_keeps_the_root_or_names_another(lab):
    register(lab, ROOTS["first"][0])
    uri = f"{lab.backend.uris.dm}/rd/1"
    for links, root in ((b"</lwm2m/3/0>,</lwm2m/5/0>", "/lwm2m"), (b'</n>;rt="oma.lwm2m",</n/3/0>,</n/5/0>', "/n"),
                        (b"", "/n")):
        assert lab.post(uri, links).code == aiocoap.CHANGED
        targets = {link.target for link in lab.dm.registrations[UNIT].objects}
        assert {"/3/0", "/5/0"} <= targets <= {"/", "/3/0", "/5/0"}
        lab.unit.holds(f"{root}/3/0/0", root.encode(), 0)
        assert lab.clock.run(lab.dm.read("/3/0/0")) == root


@pytest.mark.parametrize("links", [b'</>;rt="oma.lwm2m",</3/0>', b"</3/0>", b'</3/0>,</other>;rt="temperature"'])
def test_without_an_alternate_path_requests_go_to_the_root(lab, links):
    register(lab, links)
    lab.unit.holds("/3/0/0", b"Elvaco", 0)
    assert lab.clock.run(lab.dm.read("/3/0/0")) == "Elvaco"


# -- registration -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("registered", "updated", "queued"), [
    ("lwm2m=1.1&b=U&Q", "", True), ("lwm2m=1.1&b=U&Q", "b=U", True), ("lwm2m=1.1&b=U&Q", "lt=60&b=UT", True),
    ("lwm2m=1.2&b=U&Q", "b=U", True), ("lwm2m=1.1&b=U", "b=U", False), ("lwm2m=1.1&b=U", "Q", True),
    ("lwm2m=1.1&b=U", "b=U&Q", True), ("lwm2m=1.0&b=UQ", "", True), ("lwm2m=1.0&b=UQ", "b=UQ", True),
    ("lwm2m=1.0&b=UQ", "b=U", False), ("lwm2m=1.0&b=U", "b=UQ", True), ("b=UQ", "b=U", False),
    ("lwm2m=1.1&b=UQ", "lt=60", True)])
def test_queue_mode_ends_with_an_update_of_lwm2m_1_0_only(lab, registered, updated, queued):
    register(lab, b"</3/0>", f"&{registered}")
    assert lab.post(f"{lab.backend.uris.dm}/rd/1?{updated}".removesuffix("?")).code == aiocoap.CHANGED
    assert lab.dm.registrations[UNIT].queue_mode is queued


def test_a_registration_of_lwm2m_1_2_may_say_more_than_the_bench_knows(lab):
    register(lab, b'</>;rt="oma.lwm2m";ct=11544,</3/0>;ver=1.2',
             "&lwm2m=1.2&b=U&Q&profile=71&profile=72&later&x=%26%3D")
    registration = lab.dm.registrations[UNIT]
    assert (registration.lwm2m_version, registration.binding, registration.queue_mode) == ("1.2", "U", True)
    assert dict(registration.parameters) == {"profile": "71", "later": "", "x": "&="}
    assert not lab.timeline.select("dm", "refused")


# -- LwM2M CBOR -------------------------------------------------------------------------------------------------------

def test_a_send_in_lwm2m_cbor_is_taken_without_times(lab):
    register(lab, b"</3/0>", "&lwm2m=1.2&b=U")
    payload = cbor2.dumps({3: {0: {0: "Elvaco", 9: 87}}, (4, 0, 2): -90})
    message = aiocoap.Message(code=aiocoap.POST, uri=f"{lab.backend.uris.dm}/dp", payload=payload, content_format=11544)

    async def send() -> aiocoap.Message:
        return await lab.unit.context.request(message).response

    assert lab.at_once(send()).code == aiocoap.CHANGED
    received, = lab.dm.sends
    assert received.content_format == 11544
    assert [(record.path, record.value, record.time) for record in received.records] == [
        (Path(3, 0, 0), "Elvaco", None), (Path(3, 0, 9), 87, None), (Path(4, 0, 2), -90, None)]


def test_values_are_read_and_written_in_lwm2m_cbor(lab):
    register(lab, b"</3/0>", "&lwm2m=1.2&b=U")
    lab.unit.holds("/3/0", bytes.fromhex("BF820300BF0066456C7661636F091857FFFF"), 11544)
    assert lab.clock.run(lab.dm.read_all("/3/0", accept=ContentFormat.LWM2M_CBOR)) == {
        Path(3, 0, 0): "Elvaco", Path(3, 0, 9): 87}
    lab.unit.answers["FETCH", "/"] = (aiocoap.CONTENT, cbor2.dumps({3: {0: {9: 87}}, 4: {0: {2: -90}}}), 11544)
    assert lab.clock.run(lab.dm.read_composite(["/3/0/9", "/4/0/2"], content_format=ContentFormat.LWM2M_CBOR)) == {
        Path(3, 0, 9): 87, Path(4, 0, 2): -90}
    lab.clock.run(lab.dm.write_composite({"/33906/0/17": 60}, content_format=ContentFormat.LWM2M_CBOR))
    written = [(content_format, cbor2.loads(bytes.fromhex(payload)))
               for method, _, content_format, payload in lab.unit.requests if method != "GET"]
    assert written == [(11544, {(3, 0, 9): None, (4, 0, 2): None}), (11544, {33906: {0: {17: 60}}})]


# -- attributes and instances -----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("number", "text"), [
    (1, "1"), (1.0, "1"), (60.0, "60"), (0.00001, "0.00001"), (1e-7, "0.0000001"), (-80.5, "-80.5"),
    (1e22, "1" + 22 * "0"), (-0.0, "0"), (0, "0"), (100, "100"), (1234567.125, "1234567.125"), (0.1, "0.1"),
    (float("nan"), "nan")])
def test_attributes_have_the_numbers_of_their_table(lab, number, text):
    register(lab, b"</4/0>")
    lab.clock.run(lab.dm.write_attributes("/4/0/2", {"pmin": number, "st": number}))
    assert lab.unit.queries == [(f"pmin={text}", f"st={text}")]


def test_an_instance_without_resources_is_created_where_the_bench_says(lab):
    register(lab, b"</1/1>")
    lab.unit.answers["POST", "/1"] = (aiocoap.CREATED, b"", None)
    for instance, payload in ((5, "0005"), (300, "20012c")):
        assert lab.clock.run(lab.dm.create("/1", {}, instance=instance)) == Path(1, instance)
        assert lab.unit.requests[-1][3] == payload
    with pytest.raises(BenchError, match="give the new instance a value"):
        lab.clock.run(lab.dm.create("/1", {}, instance=5, content_format=ContentFormat.SENML_CBOR))


def test_an_instance_that_is_made_elsewhere_than_asked_for_is_the_units_fault(lab):
    register(lab, b"</1/1>")
    lab.unit.answers["POST", "/1"] = (aiocoap.CREATED, b"", None)
    lab.unit.created_at = ("1", "7")
    with pytest.raises(DmMalformed, match="asked for /1/5, and the Location-Path says /1/7"):
        lab.clock.run(lab.dm.create("/1", {0: 101}, instance=5))
