"""SCPI for the twin's instruments: a parser, a command table, an error queue, and a server on a TCP port.

An instrument is a subclass of ``ScpiInstrument`` whose methods are tied to headers and whose settings are attributes:

>>> class Meter(ScpiInstrument, source="Example guide"):
...     identity = "Example,Meter,TWIN0001,1.0"
...     aperture = Number("SENSe:APERture", default=0.02, low=1e-3, high=10.0, unit="S")
...
...     @command("MEASure[:SCALar]:CURRent[:DC]?", source="Example guide p. 7")
...     def measure(self, parameters: Parameters) -> str:
...         return self.number(1.5e-3)
>>> Meter().execute("sens:aper 100ms;:meas:curr?")
b'+1.50000000E-03'

Understood: long and short forms, optional nodes, numeric suffixes (``SIGNaling<i>``), ``;`` chaining with the header
path, ``:`` for the root, ``*`` commands, channel lists ``(@1)``, unit suffixes, MIN/MAX/DEF, strings, definite-length
blocks. Sources: SCPI-1999 volumes 1 and 2, IEEE 488.2.

``execute`` knows nothing of the wire; ``ScpiServer`` is the raw socket, ``bench.twin.wires.hislip`` the other one.
"""

from __future__ import annotations

from bench.twin.scpi.declare import MEMORY, Boolean, Choice, Command, Number, Setting, Writer, command
from bench.twin.scpi.instrument import IEEE_488_2, OVERLOAD, SCPI_1999, ScpiInstrument, ScpiModule, restore_defaults
from bench.twin.scpi.server import LINE_LIMIT, Conversation, ScpiServer
from bench.twin.scpi.status import StatusGroup
from bench.twin.scpi.syntax import Parameters, ScpiError, read_boolean, read_choice

__all__ = ["IEEE_488_2", "LINE_LIMIT", "MEMORY", "OVERLOAD", "SCPI_1999", "Boolean", "Choice", "Command",
           "Conversation", "Number", "Parameters", "ScpiError", "ScpiInstrument", "ScpiModule", "ScpiServer", "Setting",
           "StatusGroup", "Writer", "command", "read_boolean", "read_choice", "restore_defaults"]
