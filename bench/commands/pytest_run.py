"""How the commands call pytest: on the suites, with exactly our plugins, whatever else is installed."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from bench.manifest import PROJECT

_OURS = ("-p", "pytest_timeout", "-p", "fixtures.plugin", "-p", "no:terminal", "-p", "no:cacheprovider",
         "-p", "no:faulthandler", "-o", "timeout_method=signal")


def run_pytest(arguments: Sequence[str], plugins: Sequence[object]) -> int:
    """Pytest's exit code. No file of settings is read, neither ours, which an installed bench does not have, nor one of
    the folder that somebody stands in: an extra plugin or option may reorder or repeat tests."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return int(pytest.main(["-c", os.devnull, "--rootdir", str(PROJECT), *_OURS, *arguments], plugins=list(plugins)))
