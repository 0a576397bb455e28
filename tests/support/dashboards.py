"""A real dashboard for a test: served by uvicorn in a process of its own, and asked over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import until

OPERATOR, VIEWER = "open sesame", "only looking"
PASSWORDS = {"SUPERVISOR_WEB_PASSWORD": OPERATOR, "SUPERVISOR_WEB_VIEWER_PASSWORD": VIEWER}
REPOSITORY = Path(__file__).parent.parent.parent


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Dashboard:
    """``supervisor web`` in a process, or another command that serves one on ``port``, below ``path``."""

    def __init__(
        self, folder: Path, directory: Path, environment: dict[str, str] | None = None, path: str = ""
    ) -> None:
        self.port = free_port()
        self.path = path
        self.log = folder / f"dashboard-{self.port}.txt"
        self._directory = directory
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def start(self, *command: str) -> Dashboard:
        """Start it, and wait until it answers."""
        bind = f"127.0.0.1:{self.port}"
        own = ("-m", "supervisor", "web", "--dir", str(self._directory), "--bind", bind)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPERVISOR_", "GUNICORN_"))}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(each.replace("{bind}", bind) for each in command or own)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env={**kept, "SUPERVISOR_DIR": str(self._directory), **self._environment},
            )
        until(self._answers, "a dashboard that answers", 30.0, 0.05)
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"it ended:\n{self.log.read_text()}")
        try:
            return httpx.get(f"{self.url}/livez", timeout=5.0).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        assert self._process is not None
        return self._process.pid

    def stop(self, timeout: float = 20.0) -> int:
        """TERM, and wait for the end; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5.0)
            raise AssertionError(f"it did not end in {timeout:g} s:\n{self.log.read_text()}") from None

    def client(self, password: str = "", **headers: str) -> Client:
        """Somebody who asks."""
        return Client(self.url, password, headers)


class Client:
    """Somebody who asks: as a program does with a password, or without one."""

    def __init__(self, url: str, password: str = "", headers: dict[str, str] | None = None) -> None:
        auth = ("tester", password) if password else None
        self.http = httpx.Client(base_url=url, auth=auth, headers=headers, timeout=20.0)
        self._token = ""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a good answer."""
        answer = self.http.get(path, params={name: value for name, value in params.items() if value is not None})
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def token(self) -> str:
        """What actions need."""
        if not self._token:
            self._token = self.get("/api/session")["csrf"]
        return self._token

    def try_to(self, path: str, body: Any = None, method: str = "POST", **headers: str) -> httpx.Response:
        """An action, whatever comes of it."""
        return self.http.request(method, path, json=body, headers={"X-CSRF-Token": self.token, **headers})

    def act(self, path: str, body: Any = None, status: int = 200) -> Any:
        """The JSON of an action that was carried out."""
        answer = self.try_to(path, body)
        assert answer.status_code == status, answer.text
        return answer.json()
