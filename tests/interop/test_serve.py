"""``mcm-bench serve`` in a process of its own, used by clients that are not ours: a device made of stock aiocoap,
libcoap's client (Debian: libcoap3-bin) and the client of mqtt-sn-12; and by a person, at the prompt and over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import urlsplit

import aiocoap as untyped_aiocoap
import cbor2
import pytest
from aiocoap import resource
from axe_playwright_python.sync_playwright import Axe
from mqttsn12.client.MqttSnClient import MqttSnClient  # type: ignore[import-untyped,unused-ignore]
from playwright.sync_api import expect, sync_playwright

from tests.interop.dtls_device import Session, tlv

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "bench.cli", "serve"]
DECODE = [sys.executable, "-m", "bench.cli", "decode"]
CHROMIUM = shutil.which("chromium")
ANY_PORTS = [f"--{name}-port=0" for name in ("bootstrap", "bootstrap-secure", "dm", "dm-secure", "mdm", "mdm-secure",
                                             "files")]
PATIENCE_S = 60
NAME = "urn:dev:<b>\x1b[31mred"
"""As a hostile device would be called."""
LINKS = b'</>;rt="oma.lwm2m",</1/1>,</3/0>;ver=1.1,</5/0>,</3303/0>'
Told = dict[str, Any]
aiocoap: Any = untyped_aiocoap

pytestmark = pytest.mark.timeout(180)


class Device(resource.ObservableResource, resource.PathCapable):
    """An LwM2M client of stock aiocoap, in a loop of its own. It answers a read from ``holds``, by path; notes what is
    written and executed in ``asked``; and fetches the package that is written to 5/0/1."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.holds: dict[str, bytes] = {"/3/0/0": b"Elsewhere Inc.", "/3303/0/5700": b"21.5", "/5/0/3": b"1",
                                        "/0/0/5": b"a key of it"}
        self.asked: list[tuple[str, str, int | None, bytes]] = []
        self.fetched = b""
        self.silent = False
        self.loop = asyncio.new_event_loop()
        self.context: Any = None
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def render(self, request: Any) -> Any:
        path = "/" + "/".join(request.opt.uri_path)
        self.asked.append((str(request.code), path, request.opt.content_format, request.payload))
        if self.silent:
            await asyncio.sleep(PATIENCE_S)
        if request.code == aiocoap.GET:
            if path not in self.holds:
                return aiocoap.Message(code=aiocoap.NOT_FOUND, payload=b"no \x1b[31msuch")
            return aiocoap.Message(code=aiocoap.CONTENT, payload=self.holds[path], content_format=0)
        if path == "/5/0/1":
            self._tasks.add(self.loop.create_task(self._fetch(request.payload)))
        return aiocoap.Message(code=aiocoap.DELETED if request.code == aiocoap.DELETE else aiocoap.CHANGED)

    async def _fetch(self, tlv: bytes) -> None:
        """The URI is the value of a TLV of two octets of head, or three for more than 7 octets."""
        uri = tlv[3:].decode()
        self.fetched = (await self.context.request(aiocoap.Message(code=aiocoap.GET, uri=uri)).response).payload

    def run(self, job: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(job, self.loop).result(PATIENCE_S)

    def open(self) -> None:
        async def context() -> Any:
            return await aiocoap.Context.create_server_context(self, bind=("127.0.0.1", 0), transports=["udp6"])

        self.context = self.run(context())

    def post(self, uri: str, payload: bytes = b"", *query: str, content_format: int = 40) -> Any:
        async def post() -> Any:
            message = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=payload)
            message.opt.uri_query = query
            message.opt.content_format = content_format if payload else None
            return await self.context.request(message).response

        return self.run(post())

    def register(self, uri: str, name: str = NAME) -> None:
        answer = self.post(f"{uri}/rd", LINKS, f"ep={name}", "lt=300", "lwm2m=1.1", "b=U")
        assert answer.code == aiocoap.CREATED

    def changes(self, path: str, content: bytes) -> None:
        self.holds[path] = content
        self.loop.call_soon_threadsafe(self.updated_state)

    def close(self) -> None:
        self.run(self.context.shutdown())
        self.loop.call_soon_threadsafe(self.loop.stop)


class Served:
    """The command, with its input and output as pipes."""

    def __init__(self, *options: str, as_json: bool = True) -> None:
        self.process = subprocess.Popen([*COMMAND, *ANY_PORTS, "--page", "127.0.0.1:0", "--patience", "2", *options,
                                         *(["--json"] if as_json else [])], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        self.lines: Queue[str] = Queue()
        self.all: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        if as_json:
            self.uris: dict[str, str] = self.hears(lambda told: told["event"] == "listening")["uris"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.all.append(line)
            self.lines.put(line)

    def line(self, wanted: Callable[[str], bool]) -> str:
        """The next line that is wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"not said within {PATIENCE_S} s; said: {''.join(self.all)}") from None
            if wanted(line):
                return line

    def hears(self, wanted: Callable[[Told], bool]) -> Told:
        told: Told = json.loads(self.line(lambda line: wanted(json.loads(line))))
        return told

    def types(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answers(self, line: str) -> Told:
        """What is answered to a command."""
        self.types(line)
        return self.hears(lambda told: told["event"] in ("answer", "error"))

    def event(self, kind: str, **data: Any) -> Told:
        return self.hears(lambda told: told["event"] == kind and all(told.get(key) == one for key, one in data.items()))

    def http(self, path: str, asked: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and body."""
        octets = asked if isinstance(asked, bytes) or asked is None else json.dumps(asked).encode()
        kind = "application/octet-stream" if isinstance(asked, bytes) else "application/json"
        request = urllib.request.Request(self.uris["page"] + path, octets, {"Content-Type": kind, **{
            name.replace("_", "-"): value for name, value in headers.items()}})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                body = answer.read()
                return answer.status, json.loads(body) if "json" in answer.headers["Content-Type"] else (
                    body.decode(), answer.headers)
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def ends(self) -> str:
        """The end of its input ends it in order; what it said on standard error."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, said
        return said


Start = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Start]:
    started: list[Served] = []

    def start(*options: str, **how: bool) -> Served:
        started.append(Served(*options, **how))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()


@pytest.fixture
def device() -> Iterator[Device]:
    device = Device()
    device.open()
    yield device
    device.close()


def test_a_device_is_read_written_observed_and_executed_at_the_prompt(serve: Start, device: Device,
                                                                      tmp_path: Path) -> None:
    served = serve()
    assert served.answers("clients")["values"] == []
    device.register(served.uris["dm"])
    assert served.event("registration")["what"] == "registered"
    client, = served.answers("clients")["values"]
    assert (client["endpoint"], client["version"], client["binding"], client["lifetime_s"]) == (NAME, "1.1", "U", 300)
    assert [(one["path"], one["name"]) for one in client["objects"]][1:3] == [("/1/1", "LwM2M Server"),
                                                                             ("/3/0", "Device")]

    assert served.answers("read /3/0/0")["values"] == [
        {"path": "/3/0/0", "name": "Manufacturer", "unit": "", "value": "Elsewhere Inc."}]
    assert served.answers(f"read '{NAME}' /3303/0/5700")["values"][0]["value"] == "21.5"
    assert served.answers("read /5/0/3")["values"][0]["value"] == "1 (Downloading)"
    assert served.answers("read /0/0/5")["values"][0]["value"] == "(a key)"

    served.answers("write /3/0/14 +02:00")
    served.answers("write /3303/0/5701 float 1.5")
    served.answers("write /3303/0/5750 a b")
    assert device.asked[-3:] == [("PUT", "/3/0/14", 11542, b"\xc6\x0e+02:00"),
                                 ("PUT", "/3303/0/5701", 11542, bytes.fromhex("e416453fc00000")),
                                 ("PUT", "/3303/0/5750", 0, b"a b")]
    served.answers("execute /3/0/4 0='now'")
    assert device.asked[-1] == ("POST", "/3/0/4", 0, b"0=now")

    assert served.answers("observe /3303/0/5700")["values"][0]["value"] == "21.5"
    device.changes("/3303/0/5700", b"22.25")
    assert served.event("notification")["values"][0]["value"] == "22.25"
    assert served.answers("clients")["values"][0]["observed"] == ["/3303/0/5700"]
    assert served.answers("cancel /3303/0/5700")["event"] == "answer"
    assert served.answers("clients")["values"][0]["observed"] == []

    assert device.post(f"{served.uris['dm']}/dp", cbor2.dumps([{0: "/3303/0/5700", 2: 24.5}]),
                       content_format=112).code == aiocoap.CHANGED
    assert served.event("send", endpoint=NAME)["values"] == [
        {"path": "/3303/0/5700", "name": "", "unit": "", "value": "24.5"}]

    package = tmp_path / "fw 1.bin"
    package.write_bytes(os.urandom(20_001))
    served.answers(f"firmware '{package}'")
    assert served.event("firmware", fetched=20_001)["size"] == 20_001
    assert device.fetched == package.read_bytes()
    assert served.ends() == ""


def test_what_goes_wrong_is_one_sentence_and_the_server_goes_on(serve: Start, device: Device) -> None:
    served = serve()
    assert "nobody registered" in served.answers("read /3/0/0")["text"]
    device.register(served.uris["dm"])
    for line, said in (("read nobody /3/0/0", "client nobody: expected one that is registered"),
                       ("read /3/0/x", "is no path such as /3/0/6"), ("read foo", "expected a path"),
                       ("write /3/0 1", "is no path of a resource"), ("write /3/0/13 soon", "no Time"),
                       ("write /3/0/14", "and a value"), ("read /3/0/99", "the unit answered 4.04, 'no \\x1b[31msuch'"),
                       ("cancel /3/0/0", "observation of /3/0/0: expected one that is running"),
                       ("firmware /does/not/exist", "no such file"), ("telegram 7", "expected a number"),
                       ("dance", "see help"), ("read 'open", "No closing quotation")):
        answer = served.answers(line)
        assert answer["event"] == "error"
        assert said in answer["text"], answer
    device.silent = True
    assert "no answer within 2 s" in served.answers("read /3/0/0")["text"]
    device.silent = False
    assert served.answers("read /3/0/0")["values"][0]["value"] == "Elsewhere Inc."
    assert served.ends() == ""


def test_a_hostile_name_does_nothing_to_the_terminal(serve: Start, device: Device) -> None:
    served = serve(as_json=False)
    dm = served.line(lambda line: line.startswith("dm coap://")).split()[1]
    device.register(dm)
    assert "urn:dev:<b>.[31mred" in served.line(lambda line: line.startswith("* ") and "registered" in line)
    served.types("read /3/0/99")
    assert served.line(lambda line: line.startswith("! ")).count("4.04") == 1
    served.types("read /3/0/0")
    assert served.line(lambda line: line.startswith("/3/0/0")) == "/3/0/0 = Elsewhere Inc.   (Manufacturer)\n"
    served.ends()
    assert "\x1b" not in "".join(served.all)


def test_the_page_does_the_same_over_http(serve: Start, device: Device) -> None:
    served = serve()
    html, headers = served.http("")[1]
    assert "<title>mcm-bench serve</title>" in html
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "//" not in html, "nothing is asked of anybody else"
    device.register(served.uris["dm"])
    with urllib.request.urlopen(served.uris["page"] + "api/events", timeout=PATIENCE_S) as events:
        asked = {"endpoint": NAME, "path": "/3303/0/5700"}
        assert served.http("api/read", asked)[1][0]["value"] == "21.5"
        assert served.http("api/observe", asked)[0] == 200
        device.changes("/3303/0/5700", b"23.0")
        while b"notification" not in (line := events.readline()):
            assert line, "the events ended"
        assert json.loads(line.removeprefix(b"data: "))["values"][0]["value"] == "23.0"
    assert served.http("api/write", {"path": "/3/0/14", "value": "+01:00"}) == (200, [])
    assert device.asked[-1][3] == b"\xc6\x0e+01:00"
    assert served.http("api/execute", {"path": "/3/0/4"}) == (200, [])
    assert device.asked[-1][:2] == ("POST", "/3/0/4")
    device.post(f"{served.uris['dm']}/dp", b'[{"n":"/3303/0/5751","vs":"\\ud800<b>"}]', content_format=110)
    assert served.event("send")["values"][0]["value"] == "?<b>", "half a character is none"
    image = os.urandom(3000)
    assert served.http("api/firmware?name=..%2Fa.bin", image)[1].endswith("/1-.._a.bin")
    served.event("firmware", fetched=3000)
    assert device.fetched == image
    state = served.http("api/state")[1]
    assert state["clients"][0]["endpoint"] == NAME
    assert state["packages"][0]["fetched"] == 3000
    assert served.http("api/read", {"path": "/3/0/99"})[0] == 502
    assert served.http("api/read", {"path": "x"})[0] == 400
    assert served.http("api/dance", {"path": "/3"})[0] == 400
    assert served.ends() == ""


def test_what_the_decode_page_is_asked_is_what_the_command_says(serve: Start) -> None:
    served = serve()
    dump = (PROJECT / "tests/data/elvaco/senml_example_as_83.hex").read_bytes()
    status, told = served.http("api/decode", dump)
    done = subprocess.run([*DECODE, "--json", "-"], input=dump, capture_output=True, timeout=PATIENCE_S, check=True)
    row = told["found"][0]
    assert (status, told["count"], row.pop("where")) == (200, 1, "")
    assert row == json.loads(done.stdout)
    assert served.http("api/decode?encoding=mbus", b"\xff\xff")[1]["found"][0]["not_decodable"]
    assert "most likely none" in served.http("api/decode", b"\x01\x02\x03\x04\x05")[1]["found"][0]["not_decodable"]
    assert served.http("api/decode?encoding=senml", dump)[0] == 400
    assert served.http("api/decode", b"")[0] == 400
    assert served.http("api/decode", dump, Origin="http://elsewhere.example")[0] == 403
    assert served.ends() == ""


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is missing (apt-get install chromium)")
def test_a_file_that_is_dropped_on_the_page_is_decoded_and_stays_text(serve: Start) -> None:
    """With axe-core and at three widths. Nothing is asked of anybody else, nothing of the file becomes markup."""
    served, hostile = serve(), "<img src=x onerror=document.title='hit'>"
    telegram = json.dumps({"E": 184, "U": "kWh", "T": "2026-03-02T10:00:00Z", "ID": hostile})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(served.uris["page"])
        page.get_by_role("link", name="Decode a file").click()
        page.wait_for_url("**/decode")    # loaded: its script hears what is dropped
        page.evaluate("""([name, text]) => {
            const data = new DataTransfer();
            data.items.add(new File([text], name));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""", [hostile, telegram])
        expect(page.locator("#found")).to_contain_text("184 kWh")
        expect(page.locator("#said")).to_have_text(hostile)
        for width in (390, 800, 1366):
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"at {width} px the page is {wide} px wide"
            if folder := os.environ.get("MCM_BENCH_SHOTS"):
                page.screenshot(path=Path(folder) / f"decode-{width}.png", full_page=True)
        page.get_by_label("Or text").fill("01 02 03 04 05")
        page.get_by_role("button", name="Decode").click()
        expect(page.locator("#found")).to_contain_text("most likely none")
        violations = Axe().run(page).response["violations"]
        assert not [one["id"] for one in violations if one["impact"] in ("serious", "critical")]
        assert page.title() == "Decode - mcm-bench"
        assert {urlsplit(url).netloc for url in asked} == {urlsplit(served.uris["page"]).netloc}
        browser.close()
    assert served.ends() == ""


def test_another_site_can_neither_ask_nor_look(serve: Start, device: Device) -> None:
    served = serve()
    device.register(served.uris["dm"])
    before = len(device.asked)
    asked = {"path": "/3/0/0"}
    assert served.http("api/read", asked, Origin="http://elsewhere.example")[0] == 403
    assert served.http("api/read", asked, Origin="null")[0] == 403
    assert served.http("api/read", asked, Sec_Fetch_Site="cross-site")[0] == 403
    assert served.http("api/state", None, Host="rebound.example:8080")[0] == 403
    assert served.http("api/read", asked, Content_Type="text/plain")[0] == 422
    assert len(device.asked) == before
    assert served.http("api/read", asked, Origin=served.uris["page"].rstrip("/"))[0] == 200
    assert served.ends() == ""


def test_a_telegram_of_a_third_party_is_shown_decoded(serve: Start) -> None:
    served = serve()
    client = MqttSnClient()
    client.set_client_id("94193A04010020B8")
    client.set_clean_session(True)
    client.set_keep_alive(600)
    client.set_timeout(10)
    client.open("127.0.0.1", int(served.uris["mdm"].rpartition(":")[2]))
    try:
        client.send_connect()
        client.send_publish("mr/x", b'{"E":184,"U":"kWh","T":"2026-03-02T10:00:00Z"}', 1)
        client.send_publish("mr/y", b"\xff\xff", 1)
    finally:
        client.close()
    told = served.event("telegram")
    assert told["client"] == "94193A04010020B8"
    assert "json" in told["text"]
    assert "184" in told["text"]
    assert "not decodable" in served.event("telegram")["text"]
    assert [one["number"] for one in served.answers("telegrams")["values"]] == [2, 1]
    shown, = served.answers("telegram 1")["values"]
    assert shown["findings"]
    assert served.http("api/state")[1]["telegrams"][1]["readouts"][0]["energy"]["value"] == "184"
    assert served.ends() == ""


@pytest.mark.parametrize(("name", "found", "meter_data"), [
    ("dev", b"</0/0>,</1/0>", []), ("dev", b"</0/0>,</33905/0>", ["/33905/0"]),
    ("94193A04010020B8", None, ["/33905/0"])])
def test_bootstrap_writes_where_the_servers_are(serve: Start, device: Device, name: str, found: bytes | None,
                                                meter_data: list[str]) -> None:
    served = serve("--advertise", "192.0.2.7")
    assert served.uris["dm"].startswith("coap://192.0.2.7:")
    local = served.uris["bootstrap"].replace("192.0.2.7", "127.0.0.1")
    if found is not None:
        device.holds["/"] = found
    assert device.post(f"{local}/bs", b"", f"ep={name}").code == aiocoap.CHANGED
    served.event("bootstrap", outcome="finished")
    written = {path: payload for method, path, _, payload in device.asked if method == "PUT"}
    account, = (path for path in written if path.startswith("/0/"))
    assert served.uris["dm"].encode() in written[account]
    assert [path for path in written if path.startswith("/33905")] == meter_data
    told = {one["path"]: one["value"] for one in served.answers("bootstrap")["values"]}
    assert told["/0/1/0"] == served.uris["dm"]
    assert served.ends() == ""


def libcoap(program: str, *options: str) -> str:
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing: apt-get install libcoap3-bin")
        pytest.skip(f"{program} is missing (apt-get install libcoap3-bin): SERVE IS NOT CHECKED AGAINST IT")
    done = subprocess.run([found, "-m", "post", "-B", "10", "-v", "6", "-e", "</3/0>", "-t", "40", *options],
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stdout + done.stderr


def test_libcoap_registers_plain_and_with_its_key(serve: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    secret = b"sixteen octets!!".hex()
    keys.write_text(f'["dev:1"]\ndm_psk = "{secret}"\n[dev2]\ndm_psk = "{secret}"\nbootstrap_psk = "{secret}"\n')
    keys.chmod(0o600)
    served = serve("--keys", str(keys))
    assert "dm_secure" in served.uris
    assert "2.01" in libcoap("coap-client-notls", f"{served.uris['dm']}/rd?ep=other&lt=60")
    assert "4.03" in libcoap("coap-client-notls", f"{served.uris['dm']}/rd?ep=dev:1&lt=60"), "its key is known"
    assert "2.01" in libcoap("coap-client-openssl", "-u", "dev:1", "-k", "sixteen octets!!",
                             f"{served.uris['dm_secure']}/rd?ep=dev:1&lt=60")
    assert [one["endpoint"] for one in served.answers("clients")["values"]] == ["other", "dev:1"]
    told = {one["path"]: one["value"] for one in served.answers("bootstrap dev:1")["values"]}
    assert told["/0/1/0"] == served.uris["dm_secure"]
    assert "/0/1/5" not in told, "no key is written to who comes without one"
    told = {one["path"]: one["value"] for one in served.answers("bootstrap dev2")["values"]}
    assert told["/0/1/5"] == "(a key)"
    assert "4.00" in libcoap("coap-client-notls", f"{served.uris['bootstrap']}/bs?ep=dev2"), "nor in its name"
    served.ends()
    assert secret not in "".join(served.all)
    assert "sixteen octets!!" not in "".join(served.all)


def test_a_device_bootstraps_and_registers_in_dtls_with_the_key_that_the_bootstrap_wrote(
        serve: Start, tmp_path: Path) -> None:
    """OpenSSL's DTLS and aiocoap's messages: tests/interop/dtls_device.py. The device begins with its bootstrap key:
    where the DM server is, by which name it goes there, and with which key, it has from the bootstrap."""
    keys = tmp_path / "keys.toml"
    first, second = os.urandom(16), os.urandom(16)
    keys.write_text(f'["dev-9"]\nbootstrap_psk = "{first.hex()}"\ndm_psk = "{second.hex()}"\n')
    keys.chmod(0o600)
    served = serve("--keys", str(keys))

    bootstrap = Session(served.uris["bootstrap_secure"], b"dev-9", first)
    bootstrap.holds["/"] = b"</0/0>,</1/0>"
    assert bootstrap.post("/bs", "ep=dev-9").code == aiocoap.CHANGED
    bootstrap.serve_until("POST", "/bs")
    bootstrap.close()
    served.event("bootstrap", outcome="finished")
    account, = (tlv(content) for path, content in bootstrap.written.items() if path.startswith("/0/"))
    server, = (tlv(content) for path, content in bootstrap.written.items() if path.startswith("/1/"))
    assert (account[1], account[2], account[5], account[10]) == (b"\0", b"\0", second, server[0])
    assert account[0].decode() == served.uris["dm_secure"]

    dm = Session(account[0].decode(), account[3], account[5])
    dm.holds["/3/0/0"] = b"Elsewhere Inc."
    assert dm.post("/rd", "ep=dev-9", "lt=300", "lwm2m=1.1", "b=U", payload=LINKS).code == aiocoap.CREATED
    client, = served.answers("clients")["values"]
    assert (client["endpoint"], client["secure"]) == ("dev-9", True)
    served.types("read /3/0/0")
    dm.serve_until("GET", "/3/0/0")
    assert served.hears(lambda told: told["event"] == "answer")["values"][0]["value"] == "Elsewhere Inc."
    dm.close()

    assert served.ends() == ""
    for secret in (first, second):
        assert secret.hex() not in "".join(served.all)


def test_keys_that_others_can_read_and_ports_that_are_taken_are_one_sentence(serve: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text("")
    keys.chmod(0o644)
    served = serve()
    port = served.uris["dm"].rpartition(":")[2]
    page = served.uris["page"].removeprefix("http://").rstrip("/")
    for options, said in ((["--keys", str(keys)], "expected access for its owner only"),
                          ([f"--dm-port={port}"], f"UDP socket 127.0.0.1:{port}: expected to bind it"),
                          (["--page", page], f"page at {page}: expected to bind it"),
                          (["--page", "here"], "expected an IP address and a port"),
                          (["--listen", "0.0.0.0"], "--listen: expected one address of this machine"),
                          (["--listen", "host.example"], "--listen: expected an IP address of this machine")):
        done = subprocess.run([*COMMAND, *ANY_PORTS, *options], capture_output=True, text=True, check=False,
                              timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert served.ends() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_while_a_device_is_waited_for(serve: Start, device: Device, number: int) -> None:
    served = serve("--patience", str(PATIENCE_S))
    device.register(served.uris["dm"])
    device.silent = True
    with urllib.request.urlopen(served.uris["page"] + "api/events", timeout=PATIENCE_S):
        asking = threading.Thread(target=served.http, args=("api/read", {"path": "/3/0/0"}), daemon=True)
        asking.start()
        served.types("read /3/0/0")
        while len(device.asked) < 2:
            time.sleep(0.02)
        served.process.send_signal(number)
        assert served.process.communicate(timeout=PATIENCE_S)[1] == ""
    assert served.process.returncode == 0
