"""A client made of stock aiocoap (its own UDP transport) bootstraps, registers and is managed, in virtual time."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import aiocoap
import pytest
from aiocoap import resource
from lwm2m_unit import LINKS, UNIT, Lab, Unit

from bench.backend.bootstrap import BootstrapContents
from bench.backend.dm import DmMalformed, DmNotRegistered, DmRefused, DmTimeout
from bench.clock import DeadlinePassed, WarpClock
from bench.errors import BenchError
from bench.protocols.lwm2m import ContentFormat, Path


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


# -- registration -----------------------------------------------------------------------------------------------------

def test_a_client_registers_updates_and_deregisters(lab):
    answer = lab.register(query="&lt=300&lwm2m=1.0&b=UQ")
    assert (answer.code, answer.opt.location_path) == (aiocoap.CREATED, ("rd", "1"))
    registration = lab.dm.registrations[UNIT]
    assert (registration.location, registration.lifetime_s, registration.binding, registration.lwm2m_version,
            registration.queue_mode) == ("/rd/1", 300, "UQ", "1.0", True)
    assert [link.target for link in registration.objects] == ["/", "/1/1", "/3/0", "/33906/0"]
    assert registration.objects[2].attributes == {"ver": "1.1"}
    lab.clock.sleep(200)
    assert lab.post(f"{lab.backend.uris.dm}/rd/1?lt=600", b"</3/0>").code == aiocoap.CHANGED
    assert (lab.dm.registrations[UNIT].lifetime_s, len(lab.dm.registrations[UNIT].objects)) == (600, 1)
    assert lab.post(f"{lab.backend.uris.dm}/rd/1", code=aiocoap.DELETE).code == aiocoap.DELETED
    assert [note.event for note in lab.dm.history] == ["registered", "updated", "deregistered"]


def test_queue_mode_of_lwm2m_1_1_is_a_query_of_its_own(lab):
    lab.register(query="&lt=300&lwm2m=1.1&b=U&Q")
    assert lab.dm.registrations[UNIT].queue_mode is True


def test_somebody_who_waits_is_told_of_the_registration(lab):
    async def both():
        contact = lab.clock.loop.create_task(lab.dm.await_contact())
        message = aiocoap.Message(code=aiocoap.POST, uri=f"{lab.backend.uris.dm}/rd?ep={UNIT}", payload=LINKS)
        await lab.unit.context.request(message).response
        return await contact

    assert lab.at_once(both()).endpoint == UNIT


# -- reading ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("payload", "content_format"), [
    (b"Elvaco", 0), (bytes.fromhex("c600") + b"Elvaco", 11542), (b'[{"bn":"/3/0/","n":"0","vs":"Elvaco"}]', 110),
    (bytes.fromhex("81a32165" + b"/3/0/".hex() + "006130" + "0366" + b"Elvaco".hex()), 112)])
def test_a_resource_is_read_in_every_format(registered, payload, content_format):
    registered.unit.holds("/3/0/0", payload, content_format)
    assert registered.clock.run(registered.dm.read("/3/0/0")) == "Elvaco"


def test_the_format_is_the_units_choice_unless_one_is_asked_for(registered):
    registered.unit.holds("/3/0/0", b"Elvaco", 0)
    registered.clock.run(registered.dm.read("/3/0/0"))
    with pytest.raises(DmMalformed, match="asked for in TLV, answered in format 0"):
        registered.clock.run(registered.dm.read("/3/0/0", accept=ContentFormat.TLV))
    asked = registered.timeline.select("dm", "message", direction="out", code="GET")
    assert [seen.data.get("accept") for seen in asked] == [None, 11542]


def test_an_object_instance_is_read_by_the_paths_of_its_resources(registered):
    registered.unit.holds("/3/0", bytes.fromhex("c600") + b"Elvaco" + bytes.fromhex(
        "c10964" + "c40d5182428f" + "8606" + "410001" + "410105"), 11542)
    assert registered.clock.run(registered.dm.read_all("/3/0")) == {
        Path(3, 0, 0): "Elvaco", Path(3, 0, 9): 100,
        Path(3, 0, 13): datetime.datetime(2013, 5, 2, 10, 40, 15, tzinfo=datetime.UTC),
        Path(3, 0, 6, 0): 1, Path(3, 0, 6, 1): 5}


def test_a_long_value_comes_in_blocks(registered):
    registered.unit.holds("/33911/0/2", bytes(range(256)) * 12, 42)
    assert registered.clock.run(registered.dm.read("/33911/0/2")) == bytes(range(256)) * 12


@pytest.mark.parametrize(("payload", "content_format", "text"), [
    (b"\xc6\x00Elv", 11542, "needs 6 octet"), (b"Elvaco", None, "no Content-Format"),
    (b"Elvaco", 50, "content format 50"), (b"\xc1\x09\x64", 11542, "not under /3/0/0"),
    (b"", 11542, "no value of that path, but of none")])
def test_an_answer_that_cannot_be_read_is_the_units_fault(registered, payload, content_format, text):
    registered.unit.answers["GET", "/3/0/0"] = (aiocoap.CONTENT, payload, content_format)
    with pytest.raises(AssertionError, match=text) as caught:
        registered.clock.run(registered.dm.read("/3/0/0"))
    assert isinstance(caught.value, DmMalformed)


def test_reading_an_instance_as_one_value_is_the_suites_mistake(registered):
    with pytest.raises(BenchError, match="use read_all"):
        registered.clock.run(registered.dm.read("/3/0"))
    assert registered.unit.requests == []


def test_a_refusal_carries_code_and_diagnostic(registered):
    registered.unit.answers["GET", "/0/0"] = (aiocoap.UNAUTHORIZED, b"not for you", None)
    with pytest.raises(DmRefused) as refused:
        registered.clock.run(registered.dm.read_all("/0/0"))
    assert (refused.value.code, refused.value.path, refused.value.diagnostic) == ("4.01", "/0/0", "not for you")
    assert str(refused.value) == "GET /0/0: the unit answered 4.01, 'not for you'"


# -- writing, executing, discovering ----------------------------------------------------------------------------------

def test_a_resource_is_written_as_tlv(registered):
    registered.clock.run(registered.dm.write("/33906/0/17", 3600))
    assert registered.unit.requests == [("PUT", "/33906/0/17", 11542, "c2110e10")]


def test_a_resource_is_written_as_text(registered):
    registered.clock.run(registered.dm.write("/3/0/15", "Europe/Stockholm", content_format=ContentFormat.TEXT))
    assert registered.unit.requests == [("PUT", "/3/0/15", 0, b"Europe/Stockholm".hex())]


def test_an_instance_is_replaced_by_put_and_changed_by_post(registered):
    registered.clock.run(registered.dm.write("/1/1", {1: 86400, 7: "U"}))
    registered.clock.run(registered.dm.write("/1/1", {1: 60}, partial=True))
    assert registered.unit.requests == [("PUT", "/1/1", 11542, "c40100015180" + "c10755"),
                                        ("POST", "/1/1", 11542, "c1013c")]


def test_a_long_write_goes_in_blocks(registered):
    registered.clock.run(registered.dm.write("/33905/0/11", "m" * 3000))
    assert registered.unit.requests == [("PUT", "/33905/0/11", 11542, "d00b0bb8" + "6d" * 3000)]


def test_execute_carries_its_arguments(registered):
    registered.clock.run(registered.dm.execute("/3/0/4"))
    registered.clock.run(registered.dm.execute("/33909/0/7", "0='coap://10.0.0.1/fw'"))
    assert registered.unit.requests == [("POST", "/3/0/4", None, ""),
                                        ("POST", "/33909/0/7", 0, b"0='coap://10.0.0.1/fw'".hex())]


def test_a_write_that_is_refused_raises(registered):
    registered.unit.answers["PUT", "/3/0/0"] = (aiocoap.METHOD_NOT_ALLOWED, b"", None)
    with pytest.raises(DmRefused, match=r"PUT /3/0/0: the unit answered 4\.05$"):
        registered.clock.run(registered.dm.write("/3/0/0", "x"))


def test_discover_gives_links_with_attributes(registered):
    registered.unit.holds("/3/0", b"</3/0>;pmin=10,</3/0/0>,</3/0/9>;gt=50", 40)
    links = registered.clock.run(registered.dm.discover("/3/0"))
    assert [(link.target, dict(link.attributes)) for link in links] == [
        ("/3/0", {"pmin": "10"}), ("/3/0/0", {}), ("/3/0/9", {"gt": "50"})]


# -- observing --------------------------------------------------------------------------------------------------------

class ObservedUnit(resource.Site):
    """Stock aiocoap's Site with one observable resource, /4/0/2."""

    def __init__(self) -> None:
        super().__init__()
        self.signal = Signal()
        self.add_resource(["4", "0", "2"], self.signal)
        self.context: aiocoap.Context | None = None


class Signal(resource.ObservableResource):
    def __init__(self) -> None:
        super().__init__()
        self.payload = b"-90"
        self.observers = 0

    def update_observation_count(self, newcount):
        self.observers = newcount

    async def render_get(self, request):
        return aiocoap.Message(payload=self.payload, content_format=0)

    def becomes(self, payload: bytes) -> None:
        self.payload = payload
        self.updated_state()


@pytest.fixture
def observed(lab):
    unit = lab.new_unit(ObservedUnit())
    lab.register(unit=unit)
    observation = lab.clock.run(lab.dm.observe("/4/0/2"))
    return lab, unit.signal, observation


def test_an_observation_gives_the_first_value_and_each_change(observed):
    lab, signal, observation = observed
    assert (observation.first, observation.active) == ({Path(4, 0, 2): -90}, True)
    for value in (b"-91", b"-92"):
        lab.clock.sleep(60)
        lab.clock.call(lambda value=value: signal.becomes(value))
    lab.clock.wait_for(lambda: len(observation.notifications) == 2, timeout=10)
    assert [(note.time_s, note.values) for note in observation.notifications] == [
        (60.0, {Path(4, 0, 2): -91}), (120.0, {Path(4, 0, 2): -92})]


def test_a_notification_that_cannot_be_read_is_kept_with_its_problem(observed):
    lab, signal, observation = observed
    lab.clock.call(lambda: signal.becomes(b"strong"))
    lab.clock.wait_for(lambda: observation.notifications, timeout=10)
    assert observation.notifications[0].values == {}
    assert "GET /4/0/2" in observation.notifications[0].problem


@pytest.mark.parametrize("by_request", [True, False])
def test_a_cancelled_observation_ends_at_the_unit(observed, by_request):
    lab, signal, observation = observed
    assert signal.observers == 1
    if by_request:
        lab.clock.run(observation.cancel_by_request())
    else:
        lab.clock.call(observation.cancel)
        lab.clock.call(lambda: signal.becomes(b"-95"))
    lab.clock.wait_for(lambda: signal.observers == 0, timeout=10)
    assert observation.active is False
    assert observation.notifications == []


def test_a_path_that_is_answered_but_not_observed_is_a_refusal(registered):
    registered.unit.holds("/4/0/2", b"-90", 0)
    with pytest.raises(DmRefused, match="answered, but not observed"):
        registered.clock.run(registered.dm.observe("/4/0/2"))


def test_observations_end_with_the_registration(observed):
    lab, _, observation = observed
    lab.clock.sleep(86401)
    assert observation.active is False


# -- units that are not there -----------------------------------------------------------------------------------------

def test_a_unit_that_never_registered_cannot_be_asked(lab):
    with pytest.raises(DmNotRegistered, match="the unit is not registered at the DM server; registered: none"):
        lab.clock.run(lab.dm.read("/3/0/0"))


def test_a_silent_unit_is_given_up_after_105_s(registered):
    registered.at_once(registered.unit.context.shutdown())
    registered.contexts.clear()
    with pytest.raises(DmTimeout, match="GET /3/0/0: no answer of the unit"):
        registered.clock.run(registered.dm.read("/3/0/0"))
    assert registered.clock.time() == pytest.approx(105)


def test_of_two_units_one_must_be_named(registered):
    second = registered.new_unit(Unit())
    second.holds("/3/0/0", b"two", 0)
    registered.register("TWO", unit=second)
    with pytest.raises(BenchError, match=f"several registered: {UNIT}, TWO"):
        registered.clock.run(registered.dm.read("/3/0/0"))
    assert registered.clock.run(registered.dm.read("/3/0/0", endpoint="TWO")) == "two"


def test_a_unit_in_queue_mode_is_asked_at_once_while_it_listens(lab):
    lab.register(query="&b=UQ")
    lab.unit.holds("/3/0/0", b"Elvaco", 0)
    lab.clock.sleep(90)
    assert lab.clock.run(lab.dm.read("/3/0/0"), timeout=1) == "Elvaco"


def test_a_unit_in_queue_mode_that_sleeps_is_asked_at_its_next_update(lab):
    lab.register(query="&b=UQ")
    lab.unit.holds("/3/0/0", b"Elvaco", 0)
    lab.clock.sleep(3600)
    task = lab.clock.call(lambda: lab.clock.loop.create_task(lab.dm.read("/3/0/0")))
    with pytest.raises(DeadlinePassed):
        lab.clock.wait_for(task.done, timeout=3600)
    assert lab.unit.requests == []
    lab.post(f"{lab.backend.uris.dm}/rd/1")
    lab.clock.wait_for(task.done, timeout=10)
    assert task.result() == "Elvaco"
    codes = [seen.data["code"] for seen in lab.timeline.select("dm", "message", after=7000)]
    assert codes == ["POST", "2.04 Changed", "GET", "2.05 Content"]


def test_a_request_for_a_sleeping_unit_ends_with_its_registration(lab):
    lab.register(query="&b=UQ&lt=600")
    lab.clock.sleep(300)
    with pytest.raises(DmTimeout, match=f"{UNIT}: registration expired"):
        lab.clock.run(lab.dm.read("/3/0/0"))
    assert lab.clock.time() == pytest.approx(600)


def test_a_request_that_is_given_up_does_not_hinder_the_stop(registered):
    registered.at_once(registered.unit.context.shutdown())
    registered.contexts.clear()
    with pytest.raises(DeadlinePassed):
        registered.clock.run(registered.dm.read("/3/0/0"), timeout=5)
    registered.clock.run(registered.backend.stop())


# -- bootstrap --------------------------------------------------------------------------------------------------------

def bootstrapped(lab: Lab):
    assert lab.post(f"{lab.backend.uris.bootstrap}/bs?ep={UNIT}").code == aiocoap.CHANGED
    sequence = lab.backend.bootstrap.sequences[-1]
    lab.clock.wait_for(lambda: sequence.finished_at is not None, timeout=300)
    return sequence


def test_a_bootstrap_writes_the_accounts_and_finishes(clock):
    lab = Lab(clock, BootstrapContents(dm_uri="coap://10.0.0.1:5683", mdm_uri="udp://10.0.0.1:1884", mdm_topic="mr"))
    sequence = bootstrapped(lab)
    assert lab.unit.requests == [
        ("DELETE", "/", None, ""),
        ("PUT", "/0/1", 11542, "c80014" + b"coap://10.0.0.1:5683".hex() + "c10100" + "c10203" + "c10a02"),
        ("PUT", "/1/1", 11542, "c10002" + "c40100015180" + "c10601" + "c2075551"),
        ("PUT", "/33905/0", 11542, "c80013" + b"udp://10.0.0.1:1884".hex() + "c10100" + "c10203" + "c20b6d72"),
        ("POST", "/bs", None, "")]
    assert [(step.request, step.code) for step in sequence.steps] == [
        ("DELETE /", "2.02"), ("PUT /0/1", "2.04"), ("PUT /1/1", "2.04"), ("PUT /33905/0", "2.04"),
        ("POST /bs", "2.04")]
    assert (sequence.endpoint, sequence.outcome) == (UNIT, "finished")
    lab.stop()


def test_the_unit_gets_its_answer_before_the_first_request(lab):
    bootstrapped(lab)
    codes = [seen.data["code"] for seen in lab.timeline.select("bootstrap", "message")]
    assert codes[:3] == ["POST", "2.04 Changed", "DELETE"]


def test_with_psk_the_identity_is_the_endpoint_name_and_no_key_is_written(clock):
    lab = Lab(clock, BootstrapContents(dm_uri="coaps://10.0.0.1", dm_security_mode=0))
    bootstrapped(lab)
    assert lab.unit.requests[1][3] == ("c80010" + b"coaps://10.0.0.1".hex() + "c10100" + "c10200"
                                       + "c80310" + UNIT.encode().hex() + "c10a02")
    lab.stop()


def test_a_bootstrap_ends_at_the_first_refusal(lab):
    lab.unit.answers["PUT", "/1/1"] = (aiocoap.BAD_REQUEST, b"", None)
    sequence = bootstrapped(lab)
    assert sequence.outcome == "refused"
    assert (sequence.steps[-1].request, sequence.steps[-1].code) == ("PUT /1/1", "4.00")
    assert len(lab.unit.requests) == 3


def test_a_unit_that_bootstraps_twice_gets_both_sequences(lab):
    assert bootstrapped(lab).outcome == "finished"
    assert bootstrapped(lab).outcome == "finished"
    assert len(lab.unit.requests) == 10
