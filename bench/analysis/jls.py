"""A current capture as a JLS file: the format of the Joulescope tools, which zoom through hours of samples at once.

The file holds four signals in A (``average``, ``minimum``, ``maximum``, ``uncertainty``), single precision as the
instruments give it, with the unit's phases as text annotations, and what else there is to know as JSON in a chunk of
user data. A JLS file knows whole sample rates only: the exact period is in the JSON, and times of first and last
sample in each signal's UTC map.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pyjls import AnnotationType, DataType, Reader, Writer

from bench.analysis.current_capture import CurrentCapture
from bench.analysis.current_phases import Phase
from bench.errors import BenchError

FORMAT = "mcm-bench current capture 1"

_SIGNALS = {"average": "mean_a", "minimum": "minimum_a", "maximum": "maximum_a", "uncertainty": "uncertainty_a"}
_FACTS = ("start_bench_s", "period_s", "gap_free", "limit_a", "voltage_v", "instrument", "test")
_CHUNK = 1
_JLS_EPOCH = datetime(2018, 1, 1, tzinfo=UTC)
_TICKS_PER_S = 1 << 30


def write_jls(capture: CurrentCapture, path: Path, *, epoch: datetime, phases: Sequence[Phase] = ()) -> Path:
    """Write ``capture`` to ``path``, which is replaced. ``epoch`` is the moment of bench time 0. Raises
    ``BenchError`` when it can't be written."""
    begin = (epoch - _JLS_EPOCH).total_seconds() + capture.start_bench_s
    facts = {"format": FORMAT, **{name: _json(getattr(capture, name)) for name in _FACTS}}
    try:
        with Writer(str(path)) as file:
            file.source_def(source_id=1, name="supply", vendor="mcm-bench", model=capture.instrument)
            # All definitions first: pyjls writes them at once, and samples from a thread of its own. So the order in
            # the file is not by chance.
            for number, name in enumerate(_SIGNALS, start=1):
                file.signal_def(signal_id=number, source_id=1, sample_rate=max(round(1 / capture.period_s), 1),
                                name=name, units="A", data_type=DataType.F32)
            for number, attribute in enumerate(_SIGNALS.values(), start=1):
                file.fsr_f32(number, 0, np.ascontiguousarray(getattr(capture, attribute), np.float32))
                for sample in (0, len(capture)):
                    file.utc(number, sample, round((begin + sample * capture.period_s) * _TICKS_PER_S))
            for phase in phases:
                file.annotation(1, round(phase.start_s / capture.period_s), None, AnnotationType.TEXT, 0, phase.kind)
            file.user_data(_CHUNK, json.dumps(facts, sort_keys=True))
    except (OSError, RuntimeError) as error:
        raise BenchError(f"JLS file {path.name}", expected="to write it", seen=str(error),
                         do="check the free space on the disk") from error
    return path


def read_jls(path: Path) -> CurrentCapture:
    """The capture in a file that ``write_jls`` wrote. Raises ``BenchError`` for any other."""
    try:
        with Reader(str(path)) as file:
            facts = _facts(file)
            signals = {one.name: one for one in file.signals.values()}
            arrays = {attribute: np.asarray(file.fsr(signals[name].signal_id, 0, signals[name].length), np.float64)
                      for name, attribute in _SIGNALS.items()}
        return CurrentCapture(
            start_bench_s=float(facts["start_bench_s"]), period_s=float(facts["period_s"]),
            gap_free=facts["gap_free"] is True,
            limit_a=_number(facts["limit_a"], float("inf")), voltage_v=_number(facts["voltage_v"], float("nan")),
            instrument=str(facts["instrument"]), test=str(facts["test"]), **arrays)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise BenchError(f"JLS file {path.name}", expected="a current capture of this bench", seen=str(error),
                         do="take the file from the evidence of a run") from error


def _facts(file: Reader) -> dict[str, Any]:
    chunks: list[object] = []
    file.user_data(lambda meta, data: chunks.append(data) if meta == _CHUNK else None)
    facts = json.loads(str(chunks[0])) if chunks else None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ValueError("the facts of a capture are not in it")
    return facts


def _json(value: object) -> object:
    """JSON has no word for what is no number."""
    return value if not isinstance(value, float) or np.isfinite(value) else None


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)
