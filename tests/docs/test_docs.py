"""What the documentation tells a reader to type works, and the site has no broken link.

A block of ``sh`` is run, in a folder of its page's own, in the page's order; ``# exit N`` after a command says that it
ends so. One with a title needs a station, or is done once, and is not run. Whatever command a block shows must be
there with its options.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from bench.cli import app

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = sorted([*DOCS.glob("tutorial/*.md"), *DOCS.glob("how-to/*.md")])
HAVE_TESTS_OF_THEIR_OWN = {"serve.md", "write-a-codec.md", "write-a-driver.md", "keep-records.md", "share-benches.md"}
BLOCK = re.compile(r"^```sh(?: title=\"(?P<title>[^\"]*)\")?\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """Those that are run."""
    return [found["text"] for found in BLOCK.finditer(page.read_text("utf-8")) if found["title"] is None]


def commands(text: str) -> Iterator[tuple[str, int]]:
    """Each command of a block with the exit code it ends with."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            code = re.search(r"# exit (\d)$", line)
            yield line, int(code[1]) if code else 0


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in HAVE_TESTS_OF_THEIR_OWN and blocks(page)],
                         ids=lambda page: page.stem)
def test_a_page_is_played_from_its_top_to_its_end(page: Path, tmp_path: Path) -> None:
    if page.parent.name == "how-to":    # they work in the project, and may leave what they write in it
        for name in ("bench", "drivers", "fixtures", "reports", "suites", "docs", "pyproject.toml", "conftest.py"):
            of = PROJECT / name
            (shutil.copytree if of.is_dir() else shutil.copy)(of, tmp_path / name)
        write_files(page, tmp_path)
    script = tmp_path / "page.sh"
    lines = ["set -u"]
    for text in blocks(page):
        for command, code in commands(text):
            lines += [command, f'code=$?; [ $code = {code} ] || {{ echo "$code of "{shlex.quote(command)}; exit 99; }}']
    script.write_text("\n".join(lines), "utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=1200,
                          check=False, env=os.environ | {"PATH": path, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def write_files(page: Path, folder: Path) -> None:
    """The files of Python that the page shows, where they are not there yet."""
    for title, text in re.findall(r"^```python title=\"([^\"]+)\"\n(.*?)^```", page.read_text("utf-8"),
                                  re.DOTALL | re.MULTILINE):
        if not (folder / title).exists():
            (folder / title).write_text(text, "utf-8")
            listed = folder / "suites" / "__init__.py"
            if title.startswith("suites/"):
                name = title.removeprefix("suites/")
                listed.write_text(listed.read_text("utf-8").replace("FILES = (", f'FILES = ("{name}", ', 1), "utf-8")


@pytest.mark.parametrize("page", [PROJECT / "README.md", *sorted(DOCS.rglob("*.md"))],
                         ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_each_command_that_a_page_shows_is_there_with_its_options(page: Path) -> None:
    for block in re.findall(r"^```.*?\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for line, _ in commands(block):
            words = shlex.split(line.strip().removeprefix("$ ").replace("...", "X"), comments=True) \
                if line.strip().removeprefix("$ ").startswith("mcm-bench ") else []
            if words:
                command: Any = get_command(app)
                while isinstance(command, TyperGroup) and len(words) > 1:
                    words = words[1:]
                    assert words[0] in command.commands or words[0] == "--help", line
                    command = command.commands.get(words[0])
                known = {name for one in getattr(command, "params", ()) for name in (*one.opts, *one.secondary_opts)}
                asked = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-zA-Z]", word)}
                assert asked <= known | {"--help"}, line


def test_the_site_has_no_broken_link(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
                          cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False,
                          env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?://[^\" >]+)", page.read_text("utf-8"))
        assert not loaded, f"{page.name} loads {loaded} from elsewhere"
