"""The first hour as a newcomer has it: a fresh clone, and what docs/tutorial/first-hour.md says to type, from its top.

``python tests/docs/first_hour.py`` (``make hour``) prints how long each command takes, set-up included, and all.
Ends with 1 at the first command that does not end as the page says.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time

from test_docs import BLOCK, DOCS, PROJECT, commands

PAGE = DOCS / "tutorial" / "first-hour.md"


def main() -> int:
    typed = [command for found in BLOCK.finditer(PAGE.read_text("utf-8")) for command in commands(found["text"])]
    with tempfile.TemporaryDirectory(prefix="first-hour-") as name:
        subprocess.run(["git", "clone", "-q", str(PROJECT), name], check=True)
        activated, began = "", time.monotonic()
        for command, code in typed:
            if command.startswith(". "):    # counts for all that follows
                activated = f"{command} && "
                continue
            since = time.monotonic()
            done = subprocess.run(["bash", "-c", activated + command], cwd=name, capture_output=True, text=True,
                                  check=False)
            print(f"{time.monotonic() - since:7.1f} s  {command}", flush=True)
            if done.returncode != code:
                print(f"ended with {done.returncode}, not {code}: {shlex.quote(command)}\n{done.stdout}{done.stderr}")
                return 1
        print(f"{time.monotonic() - began:7.1f} s  all that {PAGE.name} says to type; the rest of the hour is reading")
    return 0


if __name__ == "__main__":
    sys.exit(main())
