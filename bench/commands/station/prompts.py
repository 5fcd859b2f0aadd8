"""What an operator is asked before a unit starts, with a picture: data of the line.

::

    [[prompt]]
    id = "cable"
    picture = "cable.svg"        # beside this file; svg, png or jpeg
    text.en = "Lay the cable through the left notch."
    text.sv = "Lägg kabeln genom vänster skåra."
    text.de = "Das Kabel durch die linke Kerbe legen."
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError
from bench.toml_file import read_toml

PICTURES = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


class _Prompt(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    picture: str = Field(default="", max_length=100)
    text: dict[str, str] = Field(min_length=1)


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: tuple[_Prompt, ...]


@dataclass(frozen=True)
class Prompts:
    """They are asked in order. ``pictures``: content and media type, by the prompt's id."""

    rows: tuple[Mapping[str, Any], ...] = ()
    pictures: Mapping[str, tuple[bytes, str]] | None = None

    @classmethod
    def load(cls, path: Path) -> Prompts:
        """Raises ``BenchError`` for a file that is none, and for a picture that is not there."""
        subject = f"prompts {path}"
        try:
            found = _List.model_validate(read_toml(path, subject, "correct the file"))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BenchError(subject, expected="prompts with id, picture and text", seen=f"{where}: {first['msg']}",
                             do="correct the file") from None
        pictures = {one.id: _picture(path, one.picture) for one in found.prompt if one.picture}
        return cls(tuple({"id": one.id, "picture": one.id in pictures, "text": one.text} for one in found.prompt),
                   pictures)

    def first(self) -> dict[str, Any] | None:
        return dict(self.rows[0]) if self.rows else None

    def after(self, name: str) -> dict[str, Any] | None:
        names = [row["id"] for row in self.rows]
        rest = self.rows[names.index(name) + 1:] if name in names else ()
        return dict(rest[0]) if rest else None


def _picture(beside: Path, name: str) -> tuple[bytes, str]:
    path = beside.parent / name
    if path.suffix.lower() not in PICTURES:
        raise BenchError(f"picture {path}", expected=f"one of {', '.join(PICTURES)}", seen=path.suffix or "no ending",
                         do="save it in another form")
    try:
        return path.read_bytes(), PICTURES[path.suffix.lower()]
    except OSError as error:
        raise BenchError(f"picture {path}", expected="to read it", seen=(error.strerror or str(error)).lower(),
                         do="put it beside the file of prompts") from error
