"""The station file of a place: a template, in which ``${NAME}`` stands for a resource of the place.

``${optical}``              the resource called so, by its address: ``rfc2217://HOST:PORT`` of a serial port
``${supply.port}``          one parameter of a resource
``${tag.deveui}``           a tag of the place
``${place}``                its name
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError, did_you_mean

_NAMED = re.compile(r"\$\{([^{}\n]*)\}")


@dataclass(frozen=True, slots=True)
class Held:
    """A place that is this run's. ``resources``: kind, path and parameters of each, by its name at the place."""

    place: str
    owner: str
    tags: Mapping[str, str]
    shared: tuple[str, ...]
    resources: Mapping[str, Mapping[str, Any]]


def station_text(template: Path, held: Held) -> str:
    """The text of the station file. Raises ``BenchError`` for what the place has not."""
    try:
        text = template.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise BenchError(f"station template {template}", expected="to read it",
                         seen=(getattr(error, "strerror", None) or str(error)).lower(),
                         do="give the path of a station file with --station") from None
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        subject = f"station template {template}, line {number}"
        code, hash_, comment = _comment(line)
        parts = _NAMED.split(code)    # text, name, text, name, ... text
        parts[1::2] = [_escaped(_value(subject, name, held)) for name in parts[1::2]]
        lines.append("".join(parts) + hash_ + comment)
    return "\n".join(lines)


def _comment(line: str) -> tuple[str, str, str]:
    """``line`` without its comment, and that: a resource that only a comment names need not be there."""
    quote = ""
    for index, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "#":
            return line[:index], "#", line[index + 1:]
    return line, "", ""


def _value(subject: str, name: str, held: Held) -> str:
    thing, _, part = name.partition(".")
    if name == "place":
        return held.place
    if thing == "tag":
        return str(_one_of(subject, f"tag {part!r} of place {held.place}", part, held.tags,
                           "set it with labgrid-client set-tags"))
    resource = _one_of(subject, f"resource {thing!r} at place {held.place}", thing, held.resources,
                       "look at labgrid-client show")
    parameters = resource["parameters"]
    if part:
        return str(_one_of(subject, f"parameter {part!r} of resource {resource['path']}", part, parameters,
                           "look at labgrid-client resources -v"))
    address = _address(parameters)
    if not address:
        raise BenchError(subject, expected=f"${{{name}}} to be a serial port, a service, a path or a URL",
                         seen=f"a {resource['kind']} with {', '.join(sorted(parameters)) or 'nothing'}",
                         do=f"name one of its parameters, as in ${{{name}.PARAMETER}}")
    return address


def _one_of(subject: str, expected: str, name: str, among: Mapping[str, Any], do: str) -> Any:
    if among.get(name) is None:
        raise BenchError(subject, expected=expected, seen=", ".join(sorted(among)) or "none",
                         do=did_you_mean(name, among, do))
    return among[name]


def _address(parameters: Mapping[str, Any]) -> str:
    """By what labgrid's classes are made of: NetworkSerialPort has host, port, and protocol; NetworkService address
    and port; others a url or a path."""
    if {"host", "port"} <= parameters.keys():
        scheme = "socket" if parameters.get("protocol") == "raw" else "rfc2217"
        return f"{scheme}://{_in_url(parameters['host'])}:{parameters['port']}"
    if "address" in parameters:
        port = parameters.get("port")
        return f"{_in_url(parameters['address'])}:{port}" if port else str(parameters["address"])
    return str(parameters.get("url") or parameters.get("path") or "")


def _in_url(host: object) -> str:
    text = str(host)
    return f"[{text}]" if ":" in text else text


def _escaped(value: str) -> str:
    """Inside a string of TOML, which an exporter must not be able to end."""
    return json.dumps(value, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")
