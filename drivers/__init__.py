"""Drivers of instruments, one package per kind. How one is made known and opened: ``bench/instruments.py``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Timeout = Annotated[float, Field(gt=0, le=600)]
"""Option of a driver: how long (s) an instrument may take to answer."""
