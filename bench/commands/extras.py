"""What not every bench has installed."""

from __future__ import annotations

from importlib.util import find_spec

from bench.errors import BenchError


def need(*modules: str, extra: str = "numbers") -> None:
    """Raises ``BenchError`` unless all ``modules``, which come with ``extra``, are installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise BenchError(" and ".join(missing), expected="to be installed", seen="nothing of that name",
                         do=f"pip install 'mcm-bench[{extra}]'")
