"""A fixture's lid contact at an input of a serial adapter: between a handshake output (RTS, which is on as long as the
port is open) and an input (CTS). Any USB adapter with these lines will do, and nothing is sent over it.

::

    [lid]
    port = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1-if00-port0"
    line = "cts"
    closed = true
"""

from __future__ import annotations

from typing import Literal

from drivers.serial_port import SerialPort

Line = Literal["cts", "dsr", "cd", "ri"]


class LidContact:
    """``closed``: whether ``line`` is on while the lid is closed. Raises ``BenchError`` when the port can't be had, and
    when it is lost."""

    def __init__(self, port: str, line: Line = "cts", *, closed: bool = True) -> None:
        if port.startswith("rfc2217://") and "?" not in port:
            port += "?poll_modem"    # a port server need not say by itself how its inputs are
        self._port = SerialPort(port, subject="lid contact", baudrate=9600)
        self._line, self._closed = line, closed

    def is_closed(self) -> bool:
        return self._port.line(self._line) is self._closed

    def close(self) -> None:
        self._port.close()
