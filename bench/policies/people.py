"""Who may do what: the people of a line, each known by a badge.

::

    salt = "8f0c5d0e7a3d4a5fb0a1c1f2d3e4f506"

    [[person]]
    name = "anna"
    role = "lead"
    badge = "5e0c..."        # mcm-bench policy badge anna --role lead

Badges are short: their hash is a slow one (scrypt, RFC 7914), with the list's own salt. The list decides who is a lead,
so nobody but its owner may write to it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError
from bench.policies.scan import Badge
from bench.toml_faults import Place, explain, told
from bench.toml_file import read_toml


class Role(StrEnum):
    """Each may do what those before it may. What ``nobody`` may do is not done: no person has that role."""

    OPERATOR = "operator"
    LEAD = "lead"
    ENGINEER = "engineer"
    NOBODY = "nobody"

    def may(self, needed: Role) -> bool:
        return list(Role).index(self) >= list(Role).index(needed)

    @property
    def with_article(self) -> str:
        return self if self is Role.NOBODY else f"{'a' if self is Role.LEAD else 'an'} {self}"


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    role: Role

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


def printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise told("text that can be printed", ascii(text[:40]))
    return text


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Person(_Table):
    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(printable)]
    role: Literal["operator", "lead", "engineer"]
    badge: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)


class _List(_Table):
    salt: str = Field(pattern=r"^[0-9a-f]{32,}$")
    person: Annotated[tuple[_Person, ...], Field(strict=False)] = ()


class People:
    """The list in the file at ``path``. Raises ``BenchError`` for a list that is none, or that others may write to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._list = _read(path)
        twice = _twice([one.name for one in self._list.person]) or _twice([one.badge for one in self._list.person])
        if twice:
            raise BenchError(f"people {path}", expected="each person and each badge once",
                             seen=f"{twice[:16]!r} twice", do="remove one of the two")

    @property
    def all(self) -> tuple[Person, ...]:
        return tuple(Person(one.name, Role(one.role)) for one in self._list.person)

    def whose(self, badge: Badge) -> Person:
        """Takes some 50 ms. Raises ``BenchError`` for a badge that nobody on the list has."""
        found = _hash(self._list.salt, badge)
        for one in self._list.person:
            if hmac.compare_digest(one.badge, found):
                return Person(one.name, Role(one.role))
        raise BenchError("badge", expected="one of the line's list of people", seen="one that is not on it",
                         do="have an engineer add it: mcm-bench policy badge")

    @classmethod
    def add(cls, path: Path, person: Person, badge: Badge) -> None:
        """Put ``person`` on the list at ``path``, which is made where there is none; who is on it gets the new role and
        badge. Raises ``BenchError``."""
        others = _read(path) if path.exists() else _List(salt=secrets.token_hex(16))
        entry = {"name": person.name, "role": person.role, "badge": _hash(others.salt, badge)}
        taken = next((one.name for one in others.person if one.badge == entry["badge"] and one.name != person.name), "")
        if taken:
            raise BenchError("badge", expected="one that nobody has", seen=f"that of {taken}",
                             do="take another badge, or remove that person from the list")
        try:
            made = _Person.model_validate(entry)
        except ValidationError as error:
            raise BenchError("person", expected="a name of up to 64 letters", seen=ascii(person.name[:24]),
                             do="choose another name") from error
        kept = [one for one in others.person if one.name != person.name]
        _write(path, others.salt, [*kept, made])


def _read(path: Path) -> _List:
    subject = f"people {path}"
    content = read_toml(path, subject, "make the list with mcm-bench policy badge", check=_refuse_open)
    try:
        return _List.model_validate(content)
    except ValidationError as error:
        raise explain(subject, error, path, "lists of people", _keys_at, secret={"badge", "salt"}) from None


def _refuse_open(found: os.stat_result) -> None:
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BenchError("list of people", expected="a file that only its owner may write to",
                         seen=f"mode {stat.S_IMODE(found.st_mode):o}", do="chmod go-w")


def _keys_at(place: Place) -> list[str]:
    return list((_Person if len(place) > 1 else _List).model_fields)


def _write(path: Path, salt: str, people: list[_Person]) -> None:
    lines = [f'salt = "{salt}"']
    for one in people:
        name = json.dumps(one.name, ensure_ascii=False)
        lines += ["", "[[person]]", f"name = {name}", f'role = "{one.role}"', f'badge = "{one.badge}"']
    draft = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise BenchError(f"people {path}", expected="to write the list", seen=(error.strerror or str(error)).lower(),
                         do="choose another place") from error


def _hash(salt: str, badge: Badge) -> str:
    return hashlib.scrypt(badge.content.encode("utf-8", "surrogateescape"), salt=bytes.fromhex(salt), n=2**14, r=8, p=1,
                          dklen=32).hex()


def _twice(values: list[Any]) -> str:
    return next((str(one) for one in values if values.count(one) > 1), "")
