"""Link lists as units send them, and against aiocoap's parser."""

from __future__ import annotations

import contextlib

import pytest
from aiocoap.util import linkformat
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols.lwm2m import Link, Lwm2mError, Path, format_links, parse_links

REGISTRATION = b'</>;rt="oma.lwm2m";ct=110,</1/0>,</1/1>,</3/0>;ver=1.1,</33906/0>,</10>'
DISCOVER = b'</3/0>;pmin=10;pmax=60,</3/0/6>;dim=8;gt=50;lt=42.2,</3/0/9>'
BOOTSTRAP_1_0 = b'lwm2m="1.0",</0/0>;ssid=101,</0/1>,</1/0>;ssid=101,</3/0>'
BOOTSTRAP_1_1 = b'</>;lwm2m=1.1,</0/0>;uri="coaps://10.0.0.1:5684",</0/1>;ssid=101;uri="coap://a,b;c"'


def test_a_registration_payload_is_read() -> None:
    assert parse_links(REGISTRATION) == [
        Link("/", {"rt": "oma.lwm2m", "ct": "110"}), Link("/1/0"), Link("/1/1"), Link("/3/0", {"ver": "1.1"}),
        Link("/33906/0"), Link("/10")]
    assert [link.path for link in parse_links(REGISTRATION)][3] == Path(3, 0)


def test_a_discover_payload_is_read() -> None:
    assert parse_links(DISCOVER) == [
        Link("/3/0", {"pmin": "10", "pmax": "60"}), Link("/3/0/6", {"dim": "8", "gt": "50", "lt": "42.2"}),
        Link("/3/0/9")]


def test_the_version_of_a_bootstrap_discover_stands_at_the_root_in_both_versions() -> None:
    assert parse_links(BOOTSTRAP_1_0)[0] == Link("/", {"lwm2m": "1.0"})
    assert parse_links(BOOTSTRAP_1_1)[0] == Link("/", {"lwm2m": "1.1"})


def test_commas_and_semicolons_inside_quotes_belong_to_the_value() -> None:
    assert parse_links(BOOTSTRAP_1_1)[2].attributes["uri"] == "coap://a,b;c"


@pytest.mark.parametrize("payload", [REGISTRATION, DISCOVER])
def test_what_was_read_is_written_the_same(payload: bytes) -> None:
    assert format_links(parse_links(payload)) == payload


targets = st.lists(st.integers(0, 65535), min_size=1, max_size=4).map(lambda ids: str(Path(*ids)))
names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, blacklist_characters="\x7f"), max_size=12)
links = st.lists(st.builds(Link, targets, st.dictionaries(names, st.none() | texts, max_size=3)), max_size=5)


@given(links)
def test_link_lists_survive(found: list[Link]) -> None:
    assert parse_links(format_links(found)) == found


# aiocoap's parser takes no backslash at the end of a quoted string and gives attributes as lists of pairs.
@given(links.filter(lambda found: found and not any("\\" in (value or "") or '"' in (value or "")
                                                    for link in found for value in link.attributes.values())))
def test_aiocoap_reads_what_we_write(found: list[Link]) -> None:
    theirs = linkformat.parse(format_links(found).decode()).links
    assert [(link.href, dict(link.attr_pairs)) for link in theirs] == [
        (link.target, dict(link.attributes)) for link in found]


@pytest.mark.parametrize("payload", [REGISTRATION, DISCOVER, BOOTSTRAP_1_1])
def test_aiocoap_agrees_on_real_payloads(payload: bytes) -> None:
    theirs = linkformat.parse(payload.decode()).links
    assert [(link.href, dict(link.attr_pairs)) for link in theirs] == [
        (link.target, dict(link.attributes)) for link in parse_links(payload)]


@given(st.binary(max_size=60) | st.text(alphabet='<>/3;,="\\ ax', max_size=30).map(str.encode))
def test_no_octets_raise_anything_but_a_codec_error(payload: bytes) -> None:
    with contextlib.suppress(Lwm2mError):
        parse_links(payload)


@pytest.mark.parametrize(("payload", "complaint"), [
    (b"</3", "character 3 of the link list: '>' expected"),
    (b"3/0", "character 0 of the link list: '<' expected"),
    (b"</3>,", "character 5 of the link list: '<' expected"),
    (b"</3> </4>", "character 5 of the link list: ',' or ';' expected"),
    (b"</3>;ver=", "character 9 of the link list: a value of ver expected"),
    (b'</3>;ver="1', "character 11 of the link list: closing quote expected"),
    (b"</3>;", "character 5 of the link list: an attribute expected"),
    (b"</3>;a=1;a=2", "character 12 of the link list: attribute a occurs twice"),
    (b"\xff", "octet 0: a link list is UTF-8"),
])
def test_an_error_says_what_and_where(payload: bytes, complaint: str) -> None:
    with pytest.raises(Lwm2mError) as error:
        parse_links(payload)
    assert str(error.value) == complaint


def test_no_links_are_an_empty_payload() -> None:
    assert parse_links(b"") == []
    assert format_links([]) == b""


def test_a_target_below_an_alternate_root_is_kept_and_is_no_path() -> None:
    [link] = parse_links(b"</lwm2m/3/0>")
    assert link.target == "/lwm2m/3/0"
    with pytest.raises(Lwm2mError):
        _ = link.path


@pytest.mark.parametrize("link", [Link("/3>"), Link('/"'), Link("/3", {"a b": "1"}), Link("/3", {"": "1"})])
def test_what_no_link_can_hold_is_refused(link: Link) -> None:
    with pytest.raises(Lwm2mError):
        format_links([link])
