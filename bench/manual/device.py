"""What a unit is, as far as the suites for any LwM2M client must know it: a device profile, in TOML.

That of the CMi6110 is ``device.toml``; a station file names another one with ``unit.profile``.

>>> load().objects[:3]
(1, 3, 4)
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path as FilePath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.errors import BenchError
from bench.manual import resources
from bench.protocols.lwm2m import Path, Type
from bench.toml_file import read_toml

Value = int | str
"""Of a resource, in a profile."""

_PATH = r"^(/\d+){1,4}$"


class DeviceProfile(BaseModel):
    """``texts``: resources that are texts, with their values. ``objects``: those that a registration names. ``device``:
    the readable resources of /3/0, ``steady`` those that two reads give alike. ``instances``: resources with several
    instances. ``missing``: paths of which Discover says that they are not there. ``lifetime_writable``: a device
    management server may write 1/x/1, as OMA has it. ``bootstrap_trigger``: what lets the unit bootstrap, where that is
    not 1/x/9 of the server's own account. ``read_only``: instances of resources that it may not write, with
    a value to try. ``secret``: what must not be read.

    ``settings``: two integers in one instance that a server may write, ``values`` four that they take, ``changing``
    resources beside them that change by themselves. ``refused``: values of the first that are refused as a text,
    ``wrong``: writes (name, path, value) that are refused.

    ``counter``: the seconds since the last start; ``constant``: an integer that does not change; ``threshold``: a
    number that takes the attributes gt, lt and st, in the thousands. ``serial``: the text of /3/0/2, where it is not
    the endpoint's name.

    ``types`` of resources by object and resource ("3311/5851" = "Integer"), beyond those that the manual has: TLV does
    not tell a number from a text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    texts: tuple[tuple[str, str], ...] = Field(min_length=1)
    objects: tuple[int, ...]
    device: tuple[int, ...]
    steady: tuple[int, ...]
    instances: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("/9999",)
    lifetime_writable: bool = True
    bootstrap_trigger: str = ""
    read_only: tuple[tuple[str, Value], ...] = ()
    secret: tuple[str, ...] = ()
    settings: tuple[str, str]
    values: tuple[int, int, int, int]
    changing: tuple[str, ...] = ()
    refused: tuple[Value, ...]
    wrong: tuple[tuple[str, str, Value], ...]
    counter: str = Field(pattern=_PATH)
    constant: str = Field(pattern=_PATH)
    threshold: str = Field(pattern=_PATH)
    serial: str = ""
    types: dict[str, str] = {}

    @property
    def manufacturer(self) -> str:
        """The text of /3/0/0."""
        return dict(self.texts)["/3/0/0"]

    def type_of(self, path: Path) -> Type | None:
        """The type to decode a value of that resource with; None where none is known."""
        own = self.types.get(f"{path[0]}/{path[2]}") if len(path) >= 3 else None
        return Type(own) if own is not None else resources.type_of(path)

    @field_validator("types")
    @classmethod
    def _are_types(cls, types: dict[str, str]) -> dict[str, str]:
        for name in types.values():
            if name not in {one.value for one in Type}:
                raise ValueError(f"{name}: types are {', '.join(one.value for one in Type)}")
        return types

    @property
    def instance(self) -> str:
        """The object instance that the settings are in."""
        return self.settings[0].rpartition("/")[0]


@cache
def load(path: FilePath | None = None) -> DeviceProfile:
    """The profile in the file ``path``; that of the CMi6110 without one. Raises ``BenchError``."""
    if path is None:
        with as_file(files("bench.manual").joinpath("device.toml")) as own:
            return load(own)
    subject = f"device profile {path}"
    try:
        return DeviceProfile.model_validate(read_toml(path, subject, "give the path of a device profile"))
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"{subject}, key {'.'.join(map(str, first['loc']))}", expected=first["msg"],
                         seen=repr(first["input"])[:60], do="see bench/manual/device.py") from None
