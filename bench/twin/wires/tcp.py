"""A TCP port of an instrument of the twin."""

from __future__ import annotations

import asyncio


class TcpServer:
    """Listens, and knows its connections. ``await start()`` and ``await stop()`` it in the loop.

    A subclass gives the protocol of a ``connection``, a ``TcpConnection``.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.connections: set[asyncio.Transport] = set()
        self._wanted_port = port
        self._server: asyncio.Server | None = None

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new client."""
        raise NotImplementedError

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.connection, self.host, self._wanted_port)

    async def stop(self) -> None:
        """Close the port and every connection. Doing it twice does no harm."""
        if self._server is not None:
            self._server.close()
            self.drop_connections()
            await self._server.wait_closed()
            self._server = None

    def drop_connections(self) -> None:
        """Close every connection, as an instrument does that restarts its network interface."""
        for transport in list(self.connections):
            transport.abort()

    @property
    def port(self) -> int:
        """The port it listens on. Raises RuntimeError before ``start``."""
        if self._server is None:
            raise RuntimeError(f"{type(self).__name__} is not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class TcpConnection(asyncio.Protocol):
    """One client of ``server``. A client that doesn't read is not served any further."""

    _transport: asyncio.Transport

    def __init__(self, server: TcpServer) -> None:
        self._connections = server.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self._transport)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()
