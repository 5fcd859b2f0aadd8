"""With which exit code a run ends where somebody's CI wants others: a policy file.

```toml
[exit]
incomplete = 0      # a merge request runs a part of the profile, and that is all right
error = 75          # GitLab: retry, and allow_failure.exit_codes
```

The verdict in the record stays what it is. A unit that failed and a bench that could not test it never end with 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.commands.order import EXIT_CODES
from bench.errors import BenchError
from bench.measure import Verdict
from bench.toml_file import read_toml


class _Exit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    incomplete: int = Field(default=EXIT_CODES[Verdict.INCOMPLETE], ge=0, le=125)
    fail: int = Field(default=EXIT_CODES[Verdict.FAIL], ge=1, le=125)
    error: int = Field(default=EXIT_CODES[Verdict.ERROR], ge=1, le=125)


class _Policy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    exit: _Exit = _Exit()


def load_policy(path: Path) -> Mapping[int, int]:
    """From the exit code that a run has to the one that it ends with. Raises ``BenchError``."""
    table = read_toml(path, f"policy {path}", "name a file with a table [exit]")
    try:
        codes = _Policy.model_validate(table).exit
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"policy {path}", expected="exit codes for incomplete (from 0), fail and error (from 1)",
                         seen=f"{'.'.join(map(str, first['loc']))}: {first['msg']}", do="correct it") from None
    return {EXIT_CODES[Verdict.PASS]: 0, EXIT_CODES[Verdict.INCOMPLETE]: codes.incomplete,
            EXIT_CODES[Verdict.FAIL]: codes.fail, EXIT_CODES[Verdict.ERROR]: codes.error}
