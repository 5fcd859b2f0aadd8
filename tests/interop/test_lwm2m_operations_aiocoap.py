"""Create, delete, attributes, composites, Send and bootstrap of LwM2M 1.1, with a client made of stock aiocoap."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import aiocoap
import cbor2
import pytest
from aiocoap import resource
from lwm2m_unit import UNIT, Lab

from bench.backend.bootstrap import BootstrapContents
from bench.backend.bootstrap_steps import Delete, Discover, Finish, Read, Write, WriteRaw
from bench.backend.dm import DmMalformed, DmRefused
from bench.clock import DeadlinePassed, WarpClock
from bench.errors import BenchError
from bench.protocols.lwm2m import ContentFormat, Path, Record
from bench.protocols.pcapng import PcapngWriter

KEY = bytes.fromhex("fd0c5e7a81b24496d3f1aa0b1c2d3e4f")


@pytest.fixture
def clock() -> Iterator[WarpClock]:
    with WarpClock() as clock:
        yield clock


@pytest.fixture
def lab(clock) -> Iterator[Lab]:
    lab = Lab(clock)
    yield lab
    lab.stop()


@pytest.fixture
def registered(lab) -> Lab:
    lab.register()
    return lab


# -- create, delete, attributes ---------------------------------------------------------------------------------------

def test_an_instance_is_created_where_the_unit_says(registered):
    registered.unit.created_at = ("1", "7")
    registered.unit.answers["POST", "/1"] = (aiocoap.CREATED, b"", None)
    assert registered.clock.run(registered.dm.create("/1", {0: 101, 1: 60})) == Path(1, 7)
    assert registered.unit.requests == [("POST", "/1", 11542, "c10065" + "c1013c")]


@pytest.mark.parametrize(("content_format", "payload"), [
    (ContentFormat.TLV, bytes.fromhex("0605" + "c10065" + "c1013c")),
    (ContentFormat.SENML_JSON, b'[{"bn":"/1/","n":"5/0","v":101},{"n":"5/1","v":60}]'),
    (ContentFormat.JSON, b'{"bn":"/1/","e":[{"n":"5/0","v":101},{"n":"5/1","v":60}]}')])
def test_an_instance_is_created_where_the_bench_says(registered, content_format, payload):
    registered.unit.answers["POST", "/1"] = (aiocoap.CREATED, b"", None)
    created = registered.clock.run(registered.dm.create("/1", {0: 101, 1: 60}, instance=5,
                                                        content_format=content_format))
    assert created == Path(1, 5)
    assert registered.unit.requests == [("POST", "/1", int(content_format), payload.hex())]


def test_a_created_instance_that_nobody_names_is_the_units_fault(registered):
    registered.unit.answers["POST", "/1"] = (aiocoap.CREATED, b"", None)
    with pytest.raises(DmMalformed, match="no Location-Path"):
        registered.clock.run(registered.dm.create("/1", {0: 101}))
    registered.unit.created_at = ("3", "0")
    with pytest.raises(DmMalformed, match="'3/0' is no instance of it"):
        registered.clock.run(registered.dm.create("/1", {0: 101}))


def test_only_tlv_can_leave_the_instance_open(registered):
    with pytest.raises(BenchError, match="name object and instance"):
        registered.clock.run(registered.dm.create("/1", {0: 101}, content_format=ContentFormat.SENML_JSON))


def test_an_instance_of_device_is_neither_created_nor_deleted(registered):
    registered.unit.answers["POST", "/3"] = registered.unit.answers["DELETE", "/3/0"] = (
        aiocoap.METHOD_NOT_ALLOWED, b"", None)
    with pytest.raises(DmRefused, match=r"POST /3: the unit answered 4\.05"):
        registered.clock.run(registered.dm.create("/3", {15: "UTC"}, instance=1))
    with pytest.raises(DmRefused, match=r"DELETE /3/0: the unit answered 4\.05"):
        registered.clock.run(registered.dm.delete("/3/0"))


def test_attributes_are_written_by_query_and_shown_by_discover(registered):
    registered.clock.run(registered.dm.write_attributes("/4/0/2", {"pmin": 10, "gt": -80.5, "st": None}))
    assert registered.unit.requests == [("PUT", "/4/0/2", None, "")]
    assert registered.unit.queries == [("pmin=10", "gt=-80.5", "st")]
    registered.unit.holds("/4/0/2", b"</4/0/2>;pmin=10;gt=-80.5", 40)
    (link,) = registered.clock.run(registered.dm.discover("/4/0/2"))
    assert dict(link.attributes) == {"pmin": "10", "gt": "-80.5"}


# -- content formats --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("content_format", "payload"), [
    (ContentFormat.TEXT, b"101"), (ContentFormat.TLV, bytes.fromhex("c10165")), (ContentFormat.CBOR, b"\x18\x65"),
    (ContentFormat.SENML_JSON, b'[{"bn":"/1/1/1","v":101}]'), (ContentFormat.JSON, b'{"bn":"/1/1/1","e":[{"v":101}]}'),
    (ContentFormat.SENML_CBOR, cbor2.dumps([{-2: "/1/1/1", 2: 101}]))])
def test_a_resource_is_written_in_every_format(registered, content_format, payload):
    registered.clock.run(registered.dm.write("/1/1/1", 101, content_format=content_format))
    assert registered.unit.requests == [("PUT", "/1/1/1", int(content_format), payload.hex())]


def test_octets_are_written_as_they_are(registered):
    registered.clock.run(registered.dm.write("/5/0/0", b"\x00\xff", content_format=ContentFormat.OPAQUE))
    assert registered.unit.requests == [("PUT", "/5/0/0", 42, "00ff")]


@pytest.mark.parametrize(("payload", "content_format"), [
    (b"-90", 0), (bytes.fromhex("c102a6"), 11542), (b"\x38\x59", 60), (b'[{"bn":"/4/0/2","v":-90}]', 110),
    (b'{"bn":"/4/0/2","e":[{"v":-90}]}', 11543), (cbor2.dumps([{-2: "/4/0/2", 2: -90}]), 112)])
def test_a_number_is_read_in_every_format(registered, payload, content_format):
    registered.unit.holds("/4/0/2", payload, content_format)
    assert registered.clock.run(registered.dm.read("/4/0/2")) == -90


def test_a_resource_nobody_knows_has_the_type_its_answer_gives_it(registered):
    registered.unit.holds("/3/0", json.dumps([
        {"bn": "/3/0/", "n": "0", "vs": "Elvaco"}, {"n": "200", "v": 1}, {"n": "201", "v": 0.5},
        {"n": "202", "vs": "x"}, {"n": "203", "vb": True}, {"n": "204", "vd": "AP8"},
        {"n": "205", "vlo": "3:0"}]).encode(), 110)
    values = registered.clock.run(registered.dm.read_all("/3/0"))
    assert {path.resource_id: str(value) for path, value in values.items()} == {
        0: "Elvaco", 200: "1", 201: "0.5", 202: "x", 203: "True", 204: r"b'\x00\xff'", 205: "3:0"}


def test_a_resource_nobody_knows_stays_octets_in_tlv(registered):
    registered.unit.holds("/3/0", bytes.fromhex("c600") + b"Elvaco" + bytes.fromhex("c1c801"), 11542)
    assert registered.clock.run(registered.dm.read_all("/3/0")) == {Path(3, 0, 0): "Elvaco", Path(3, 0, 200): b"\x01"}


# -- composite operations ---------------------------------------------------------------------------------------------

def test_a_composite_read_is_a_fetch_of_names(registered):
    answer = cbor2.dumps([{-2: "/3/0/", 0: "0", 3: "Elvaco"}, {-2: "", 0: "/4/0/2", 2: -90}])
    registered.unit.answers["FETCH", "/"] = (aiocoap.CONTENT, answer, 112)
    assert registered.clock.run(registered.dm.read_composite(["/3/0/0", "/4/0/2", "/9/0/0"])) == {
        Path(3, 0, 0): "Elvaco", Path(4, 0, 2): -90}
    ((method, path, content_format, payload),) = registered.unit.requests
    assert (method, path, content_format) == ("FETCH", "/", 112)
    assert cbor2.loads(bytes.fromhex(payload)) == [{0: "/3/0/0"}, {0: "/4/0/2"}, {0: "/9/0/0"}]


def test_a_composite_write_is_an_ipatch(registered):
    registered.clock.run(registered.dm.write_composite({"/33906/0/17": 3600, "/1/1/1": 60},
                                                       content_format=ContentFormat.SENML_JSON))
    ((method, path, content_format, payload),) = registered.unit.requests
    assert (method, path, content_format) == ("iPATCH", "/", 110)
    assert json.loads(bytes.fromhex(payload)) == [{"bn": "/", "n": "1/1/1", "v": 60}, {"n": "33906/0/17", "v": 3600}]


class FetchedUnit(resource.Resource, resource.PathCapable):
    """Accepts FETCH with Observe at any path and notifies when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.context: aiocoap.Context | None = None
        self.observation = None
        self.value = -90

    async def render_fetch(self, request):
        assert cbor2.loads(request.payload) == [{0: "/4/0/2"}, {0: "/4/0/3"}]
        payload = cbor2.dumps([{-2: "/4/0/", 0: "2", 2: self.value}, {0: "3", 2: -10}])
        return aiocoap.Message(payload=payload, content_format=112)

    async def add_observation(self, request, serverobservation):
        self.observation = serverobservation
        serverobservation.accept(lambda: None)

    render_to_pipe = resource.ObservableResource.render_to_pipe


def test_an_observed_composite_reports_all_its_paths(lab):
    unit = lab.new_unit(FetchedUnit())
    lab.register(unit=unit)
    observation = lab.clock.run(lab.dm.observe_composite(["/4/0/2", "/4/0/3"]))
    assert observation.first == {Path(4, 0, 2): -90, Path(4, 0, 3): -10}
    unit.value = -91
    lab.clock.call(lambda: unit.observation.trigger())
    lab.clock.wait_for(lambda: observation.notifications, timeout=10)
    assert observation.notifications[0].values == {Path(4, 0, 2): -91, Path(4, 0, 3): -10}


# -- Send -------------------------------------------------------------------------------------------------------------

def sent(lab: Lab, payload: bytes, content_format: int) -> str:
    message = aiocoap.Message(code=aiocoap.POST, uri=f"{lab.backend.uris.dm}/dp", payload=payload,
                              content_format=content_format)

    async def send():
        return await lab.unit.context.request(message).response

    return str(lab.at_once(send()).code.dotted)


def test_a_send_is_kept_with_the_times_of_its_records(registered):
    registered.clock.sleep(60)
    pack = cbor2.dumps([{-2: "/33911/0/", -3: 1_780_000_000, 0: "2", 8: b"\x68\x68"}, {0: "2", 6: -3600, 8: b"\x01"}])
    assert sent(registered, pack, 112) == "2.04"
    (send,) = registered.dm.sends
    assert (send.time_s, send.endpoint, send.content_format) == (60.0, UNIT, 112)
    assert send.records == (Record(Path(33911, 0, 2), b"\x68\x68", 1_780_000_000),
                            Record(Path(33911, 0, 2), b"\x01", 1_779_996_400))
    (seen,) = registered.timeline.select("dm", "send")
    assert dict(seen.data) == {"endpoint": UNIT, "text": "2 record(s) of /33911/0/2"}


@pytest.mark.parametrize(("payload", "content_format", "code"), [
    (b"[{]", 110, "4.00"), (b'[{"n":"/3/0/9","vs":"full"}]', 110, "4.00"), (b"\x01", 42, "4.15")])
def test_a_send_that_cannot_be_read_is_refused_and_noted(registered, payload, content_format, code):
    assert sent(registered, payload, content_format) == code
    assert registered.dm.sends == []
    assert "Send" in registered.timeline.select("dm", "refused")[0].data["text"]


def test_a_send_of_a_unit_that_is_not_registered_is_refused(lab):
    assert sent(lab, b"[]", 110) == "4.04"


# -- queue mode and registration --------------------------------------------------------------------------------------

def test_requests_for_a_sleeping_unit_are_delivered_one_by_one_in_their_order(lab):
    lab.register(query="&b=UQ")
    lab.clock.sleep(3600)
    tasks = [lab.clock.call(lambda path=path: lab.clock.loop.create_task(lab.dm.execute(path)))
             for path in ("/3/0/4", "/1/1/8", "/33906/0/15")]
    with pytest.raises(DeadlinePassed):
        lab.clock.wait_for(lambda: any(task.done() for task in tasks), timeout=600)
    lab.post(f"{lab.backend.uris.dm}/rd/1")
    lab.clock.wait_for(lambda: all(task.done() for task in tasks), timeout=10)
    assert [path for _, path, _, _ in lab.unit.requests] == ["/3/0/4", "/1/1/8", "/33906/0/15"]
    directions = [seen.data["direction"] for seen in lab.timeline.select("dm", "message", after=4000)]
    assert directions == ["in", "out"] + ["out", "in"] * 3


def test_a_send_wakes_the_queue_too(lab):
    lab.register(query="&b=UQ")
    lab.clock.sleep(3600)
    task = lab.clock.call(lambda: lab.clock.loop.create_task(lab.dm.execute("/3/0/4")))
    lab.clock.sleep(10)
    assert not task.done()
    assert sent(lab, b'[{"n":"/4/0/2","v":-90}]', 110) == "2.04"
    lab.clock.wait_for(task.done, timeout=10)


def test_a_forgotten_registration_gets_4_04_at_its_update(registered):
    registered.clock.call(registered.dm.forget)
    assert registered.dm.registrations == {}
    assert registered.post(f"{registered.backend.uris.dm}/rd/1").code == aiocoap.NOT_FOUND
    assert registered.register().opt.location_path == ("rd", "2")
    assert [note.event for note in registered.dm.history] == ["registered", "forgotten", "registered"]
    assert [seen.data["event"] for seen in registered.timeline.select("dm", "registration")] == [
        "registered", "forgotten", "registered"]


def test_a_name_that_does_not_fit_its_peer_is_forbidden(lab):
    asked_about = []

    def nobody(identity: bytes | None, endpoint: str) -> bool:
        asked_about.append((identity, endpoint))
        return False

    lab.dm.endpoint_check = nobody
    assert lab.register().code == aiocoap.FORBIDDEN
    assert asked_about == [(None, UNIT)]
    assert "does not fit" in lab.timeline.select("dm", "refused")[0].data["text"]


def test_a_registration_in_blocks_is_put_together_up_to_64_kib(lab):
    async def register(links: int):
        payload = b",".join(b"</3/%d>" % number for number in range(links))
        message = aiocoap.Message(code=aiocoap.POST, uri=f"{lab.backend.uris.dm}/rd?ep={UNIT}", payload=payload)
        return await lab.unit.context.request(message).response

    assert lab.at_once(register(1000)).code == aiocoap.CREATED
    assert len(lab.dm.registrations[UNIT].objects) == 1000
    assert lab.at_once(register(10_000)).code == aiocoap.REQUEST_ENTITY_TOO_LARGE
    assert lab.timeline.select("dm", "refused")[0].data["text"] == "a request body beyond 65536 octets"


# -- bootstrap --------------------------------------------------------------------------------------------------------

def bootstrapped(lab: Lab, query: str = ""):
    assert lab.post(f"{lab.backend.uris.bootstrap}/bs?ep={UNIT}{query}").code == aiocoap.CHANGED
    sequence = lab.backend.bootstrap.sequences[-1]
    lab.clock.wait_for(lambda: sequence.finished_at is not None, timeout=300)
    return sequence


def test_a_bootstrap_asks_first_and_spares_the_bootstrap_account(lab):
    lab.backend.bootstrap.contents = BootstrapContents("coap://10.0.0.1", mdm_uri="udp://10.0.0.1:1884", discover=True,
                                                       read_servers=True)
    lab.unit.holds("/", b'lwm2m="1.1",</0/1>,</0/0>;ssid=5,</1/0>;ssid=5,</3/0>', 40)
    lab.unit.holds("/1", bytes.fromhex("0600" + "c10005" + "c1013c"), 11542)
    sequence = bootstrapped(lab)
    assert [(method, path) for method, path, _, _ in lab.unit.requests] == [
        ("GET", "/"), ("GET", "/1"), ("DELETE", "/"), ("PUT", "/0/0"), ("PUT", "/1/0"), ("PUT", "/33905/0"),
        ("POST", "/bs")]
    assert [link.target for link in sequence.steps[0].links] == ["/", "/0/1", "/0/0", "/1/0", "/3/0"]
    assert [str(path) for path in sequence.steps[1].values] == ["/1/0/0", "/1/0/1"]
    steps = lab.timeline.select("bootstrap", "step")
    assert [(seen.data["request"], seen.data["code"]) for seen in steps][:3] == [
        ("GET /", "2.05"), ("GET /1", "2.05"), ("DELETE /", "2.02")]
    assert [seen.data["outcome"] for seen in lab.timeline.select("bootstrap", "bootstrap")] == ["running", "finished"]


def test_a_unit_of_lwm2m_1_0_that_refuses_to_be_asked_is_bootstrapped_all_the_same(lab):
    lab.backend.bootstrap.contents = BootstrapContents("coap://10.0.0.1", discover=True, read_servers=True)
    sequence = bootstrapped(lab)
    assert [step.code for step in sequence.steps] == ["4.04", "4.04", "2.02", "2.04", "2.04", "2.04", "2.04"]
    assert sequence.outcome == "finished"


def test_the_contents_come_in_the_format_the_unit_prefers(lab):
    lab.backend.bootstrap.contents = BootstrapContents("coap://10.0.0.1")
    sequence = bootstrapped(lab, "&pct=112")
    assert (sequence.preferred, [asked[2] for asked in lab.unit.requests]) == (112, [None, 112, 112, 112, None])
    assert cbor2.loads(bytes.fromhex(lab.unit.requests[1][3])) == [
        {-2: "/0/1/", 0: "0", 3: "coap://10.0.0.1"}, {0: "1", 4: False}, {0: "2", 2: 3}, {0: "10", 2: 2}]


@pytest.mark.parametrize("preferred", ["0", "50", "-1", "many", "11542,110"])
def test_a_preferred_format_that_holds_no_instance_is_refused(lab, preferred):
    assert lab.post(f"{lab.backend.uris.bootstrap}/bs?ep={UNIT}&pct={preferred}").code == (
        aiocoap.UNSUPPORTED_CONTENT_FORMAT)
    assert lab.backend.bootstrap.sequences == []
    assert "holds no object instance" in lab.timeline.select("bootstrap", "refused")[0].data["text"]


def test_a_script_writes_what_no_contents_would(lab):
    lab.backend.bootstrap.script = lambda endpoint: [
        Discover(), Read(Path(1), ContentFormat.SENML_JSON), Delete(Path(0, 1)),
        Write(Path(33905, 0), {Path(33905, 0, 0): f"udp://{endpoint}"}, ContentFormat.TLV),
        WriteRaw(Path(0, 1), b"\xc8", 11542), WriteRaw(Path(1, 1), b"?"), Finish()]
    assert bootstrapped(lab).outcome == "finished"
    assert lab.unit.requests == [
        ("GET", "/", None, ""), ("GET", "/1", None, ""), ("DELETE", "/0/1", None, ""),
        ("PUT", "/33905/0", 11542, "c80016" + b"udp://94193A04010020B8".hex()), ("PUT", "/0/1", 11542, "c8"),
        ("PUT", "/1/1", None, "3f"), ("POST", "/bs", None, "")]


def test_a_short_script_leaves_the_bootstrap_unfinished(lab):
    lab.backend.bootstrap.script = lambda endpoint: [Delete()]
    assert bootstrapped(lab).outcome == "unfinished"


def test_a_finish_that_is_refused_shows_its_code(lab):
    lab.unit.answers["POST", "/bs"] = (aiocoap.NOT_ACCEPTABLE, b"", None)
    sequence = bootstrapped(lab)
    assert (sequence.outcome, sequence.steps[-1].request, sequence.steps[-1].code) == ("refused", "POST /bs", "4.06")


@pytest.mark.parametrize(("resource_id", "header"), [(5, "c80510"), (4, "c80410")])
def test_keys_are_written_where_oma_or_the_manual_has_them(lab, resource_id, header):
    lab.backend.bootstrap.contents = BootstrapContents(
        "coaps://10.0.0.1", dm_security_mode=0, dm_key=KEY, dm_key_resource=resource_id, mdm_key=KEY[::-1])
    bootstrapped(lab)
    assert header + KEY.hex() in lab.unit.requests[1][3]
    assert "c80510" + KEY[::-1].hex() in lab.unit.requests[3][3]


# -- keys are not written down ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("query", ["", "&pct=110", "&pct=112", "&pct=11543"])
def test_keys_are_zeros_on_the_timeline_and_in_the_capture(clock, query):
    file = io.BytesIO()
    lab = Lab(clock, BootstrapContents("coaps://10.0.0.1", dm_security_mode=0, dm_key=KEY, mdm_key=KEY, mdm_topic="mr",
                                       ), pcap=PcapngWriter(file))
    bootstrapped(lab, query)
    lab.register()
    lab.clock.run(lab.dm.write("/33905/0/5", KEY))
    lab.clock.run(lab.dm.write("/33905/0/5", KEY, content_format=ContentFormat.TEXT))
    lab.unit.holds("/33905/0/5", KEY, 42)
    assert lab.clock.run(lab.dm.read("/33905/0/5")) == KEY
    in_base64 = b"/QxeeoGyRJbT8aoLHC0+Tw=="
    in_base64url = b"_QxeeoGyRJbT8aoLHC0-Tw"
    written = "".join(seen.to_json() for seen in lab.timeline)
    for form in (KEY, in_base64, in_base64url):
        assert form.hex() not in written
        assert form not in file.getvalue()
    for told in (lab.backend.bootstrap.contents, lab.backend.bootstrap.sequences):
        assert KEY.hex() not in repr(told)
        assert str(KEY) not in repr(told)
    masked = [seen for seen in lab.timeline if seen.kind == "datagram" and seen.data.get("masked")]
    assert [seen.source for seen in masked] == ["bootstrap", "bootstrap", "dm", "dm", "dm"]
    # What surrounds the key is still there.
    assert b"coaps://10.0.0.1".hex() in masked[0].data["hex"]
    lab.stop()


def test_a_key_that_is_cut_by_blocks_is_hidden_in_both(clock):
    lab = Lab(clock, BootstrapContents("coaps://" + "a" * 976, dm_security_mode=0, dm_key=KEY))
    bootstrapped(lab)
    assert KEY.hex() in lab.unit.requests[1][3]
    blocks = [bytes.fromhex(seen.data["hex"]) for seen in lab.timeline.select("bootstrap", "datagram", masked=True)]
    assert len(blocks) == 2
    written = "".join(seen.to_json() for seen in lab.timeline)
    assert not any(KEY[start:start + 4].hex() in written for start in range(len(KEY) - 3))
    lab.stop()


def test_wrong_contents_do_not_show_at_all(lab):
    lab.backend.bootstrap.script = lambda endpoint: [WriteRaw(Path(0, 1), b"\xc8\x05\xff" + KEY, 11542), Finish()]
    bootstrapped(lab)
    assert ("PUT", "/0/1", 11542, "c805ff" + KEY.hex()) in lab.unit.requests
    assert KEY.hex() not in "".join(seen.to_json() for seen in lab.timeline)
