"""A program of somebody else's (openssl s_client, gnutls-cli) as a unit that does nothing but DTLS: started with its
name, its key and the server's place, and given back what it prints. ``{host}``, ``{port}``, ``{name}`` and ``{key}`` in
its words are filled in; what it says of itself goes to its standard error.
"""

from __future__ import annotations

import select
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

QUIET_S = 0.05
"""A program may print a datagram in pieces: what comes within that time belongs together."""


def main(uri: str, keys: str, name: str, *words: str) -> int:
    place = urlsplit(uri)
    key = tomllib.loads(Path(keys).read_text())[name]["dm_psk"]
    filled = [word.format(host=place.hostname, port=place.port, name=name, key=key) for word in words]
    program = subprocess.Popen(filled, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        while octets := program.stdout.read(4096):
            while select.select([program.stdout], [], [], QUIET_S)[0] and (more := program.stdout.read(4096)):
                octets += more
            program.stdin.write(octets)
    except BrokenPipeError:
        pass
    return program.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
