"""A TCP port of an instrument of the twin."""

from __future__ import annotations

import asyncio


class TcpServer:
    """Listens, and knows its connections. ``await start()`` and ``await stop()`` it in the loop.

    A subclass gives the protocol of a ``connection``, which enters its transport into ``connections`` and takes it out.
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
