"""What the unit reports of the radio: 4/0/2 and the first resources of 33907, from the cell that it is in."""

from __future__ import annotations

from bench.twin.radio.cell import Cell

_CLASSES_DBM = (-95, -107, -119)
"""The weakest NRSRP that is excellent, good, fair. Where one ends and the next begins is not printed."""

_RSSI_ABOVE_RSRP_DB = 10
"""A carrier of 12 subcarriers, with noise: RSSI = NRSRP + 10 log 12."""


def rsrp_dbm(cell: Cell) -> int:
    return round(cell.rsrp_dbm)


def rssi_tenth_dbm(cell: Cell) -> int:
    return (rsrp_dbm(cell) + _RSSI_ABOVE_RSRP_DB) * 10


def classification(cell: Cell) -> int:
    """33907/0/2: 0 excellent, 1 good, 2 fair, 3 poor."""
    return sum(rsrp_dbm(cell) < weakest for weakest in _CLASSES_DBM)
