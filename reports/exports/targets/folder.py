"""A folder that somebody else empties: each document is there whole, or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

from bench.errors import BenchError
from bench.store.files import sync_folder
from reports.exports.document import Document, option
from reports.exports.exporter import TargetAway


class FolderExporter:
    """Option ``folder``. The file is named by the run; one that is there already is replaced by the same."""

    OPTIONS: ClassVar[Collection[str]] = ("folder",)

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        name = option(options, "folder")
        if not name:
            raise BenchError("folder of an export", expected="folder = \"its path\"", seen="none", do="name it")
        self._folder = folder / Path(name).expanduser()

    def send(self, document: Document) -> None:
        path = self._folder / (re.sub(r"[^\w.-]", "-", document.run_id).lstrip(".") + document.suffix)
        draft = path.with_name(f".{path.name}.part")    # what watches the folder looks for other names
        try:
            with draft.open("wb") as file:
                file.write(document.content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            sync_folder(self._folder)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise TargetAway(f"folder {self._folder}", expected="to write to it",
                             seen=(error.strerror or str(error)).lower(), do="see to it; what is to be sent waits"
                             ) from error
