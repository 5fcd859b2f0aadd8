from __future__ import annotations

import pytest

from bench.backend.bootstrap_contents import BootstrapContents
from bench.backend.bootstrap_steps import Delete, Discover, Finish, Read, Write, WriteRaw
from bench.protocols.lwm2m import Path, parse_links

KEY = b"0123456789abcdef"


def test_keys_never_show_in_a_repr():
    told = repr([BootstrapContents(dm_key=KEY, mdm_key=KEY), Write(Path(0, 1), {Path(0, 1, 5): KEY}),
                 WriteRaw(Path(0, 1), KEY)])
    assert "0123456789abcdef" not in told


@pytest.mark.parametrize(("links", "instance"), [
    (b"", 1), (b"</0/0>,</1/1>", 1), (b"</0/1>", 0), (b"</0/1>,</0/0>", 2), (b"</0/1>;ssid=5", 1),
    (b'lwm2m="1.0",</0/1>,</0/0>;ssid=2,</33905/0>,<odd>', 0)])
def test_the_dm_account_keeps_off_the_bootstrap_account(links, instance):
    steps = BootstrapContents("coap://x").changes("unit", parse_links(links))
    assert [step.path for step in steps if isinstance(step, Write)] == [
        Path(0, instance), Path(1, instance), Path(33905, 0)]
    assert steps[0] == Delete()
    assert steps[-1] == Finish()


def test_the_unit_is_asked_only_if_wanted():
    assert BootstrapContents().inquiry() == []
    assert BootstrapContents(discover=True, read_servers=True).inquiry() == [Discover(), Read(Path(1))]
