"""What the bench stands on may be handed on with it."""

from __future__ import annotations

from bench.commands.licences import licences

WITHOUT_CONDITIONS_ON_US = ("MIT", "BSD", "Apache", "ISC", "PSF", "Python Software Foundation", "Zlib", "0BSD")
LEFT_AS_THEY_ARE = {"nfcpy": "European Union", "libusb1": "LGPL", "psycopg": "LGPL", "psycopg-binary": "LGPL",
                    "pyscard": "LGPL"}
"""Under these a program may use the package unchanged, which it does: each is a package of its own."""


def test_the_core_stands_on_nothing_under_the_gpl() -> None:
    core = [one for one in licences() if not one.extras]
    assert {"pytest", "pyserial", "nfcpy", "aiocoap", "allure-pytest"} <= {one.package for one in core}
    assert not [one for one in core if one.is_gpl]


def test_each_licence_is_known() -> None:
    for one in licences():
        if one.licence:    # an extra that is not installed here says nothing
            known = (*WITHOUT_CONDITIONS_ON_US, LEFT_AS_THEY_ARE.get(one.package, "MIT"))
            assert any(name in one.licence for name in known), f"{one.package} is under {one.licence}: may it be used?"
