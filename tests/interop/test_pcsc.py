"""The PC/SC reader's driver through pyscard, pcscd and vsmartcard's virtual reader, to the twin's reader.

vpcd listens on all interfaces, so everything runs in a network namespace of its own, and pcscd's socket in a mount
namespace: pcsc_inside.py is what is tested, once for each test here.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSIDE = Path(__file__).with_name("pcsc_inside.py")
DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
PATIENCE_S = 120


def missing() -> str | None:
    if importlib.util.find_spec("smartcard") is None:
        return "pyscard (pip install 'mcm-bench[pcsc]'; needs swig and libpcsclite-dev)"
    if shutil.which("pcscd") is None or not DRIVER.exists():
        return "pcscd and vsmartcard-vpcd"
    alone = subprocess.run(["unshare", "-n", "-m", "true"], check=False, capture_output=True)
    if os.geteuid() != 0 or alone.returncode:
        return "root, or the right to make namespaces"
    return None


def test_pyscard_reads_and_writes_the_twins_tags_through_pcscd() -> None:
    lacking = missing()
    if lacking:
        pytest.skip(f"no {lacking}")
    inside = f'ip link set lo up && mount -t tmpfs tmpfs /run/pcscd && exec "{sys.executable}" "{INSIDE}"'
    Path("/run/pcscd").mkdir(exist_ok=True)
    done = subprocess.run(["unshare", "-n", "-m", "bash", "-ec", inside], check=False, capture_output=True, text=True,
                          timeout=PATIENCE_S, cwd=INSIDE.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "ACR122U: settings are read and written (ISO 14443A)",
        "ACR1552U: settings are read and written (ISO 14443A)",
        "ACR1552U: settings are read and written (ISO 15693)",
        "no tag, and a tag that comes late",
        "a tag that leaves is lost, and the next tap works",
        "a torn write changes nothing",
        "an ambiguous and a wrong name are refused",
        "pcscd that dies is one bench error",
    ]
