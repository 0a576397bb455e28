"""Metrics on a port, which only this machine reaches."""

from __future__ import annotations

import threading
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from supervisor.errors import ListenError
from supervisor.settings.endpoint import split


class Port:
    """Answers scrapes on ``endpoint`` until :meth:`close`. ListenError where that address cannot be had."""

    def __init__(self, endpoint: str, registry: CollectorRegistry) -> None:
        host, port = split(endpoint)
        self._server: WSGIServer
        self._thread: threading.Thread
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise ListenError(endpoint, error.strerror or str(error)) from error

    def close(self) -> None:
        """Hang up."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5.0)
