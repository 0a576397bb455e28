"""What we sign: sessions, and the tokens that show that an action comes from our own page."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

from supervisor.directory import Directory
from supervisor.errors import QueueUnavailableError
from supervisor.web.options import Options


class Tokens:
    """Signed with what every process of the site knows: the directory's key and the passwords.

    So a session holds in all web workers, and in none once a password was changed.
    """

    def __init__(self, directory: Directory, options: Options) -> None:
        self._directory = directory
        self._passwords = f"{options.password or ''}\0{options.viewer_password or ''}".encode()
        self._seconds = options.session_seconds
        self._spare = b"" if options.has_passwords else secrets.token_bytes(32)
        """Where there is neither a key nor a password: tokens of this process alone."""

    def seal(self, purpose: str, data: Any) -> str:
        """Sign plain data."""
        return self._signer(purpose).dumps(data)

    def open(self, purpose: str, token: str) -> Any:
        """What was signed for this purpose; None for what was not, or too long ago."""
        try:
            return self._signer(purpose).loads(token, max_age=int(self._seconds))
        except BadSignature:
            return None

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        try:
            key = self._directory.read_key()
        except QueueUnavailableError:
            key = self._spare
        secret = hashlib.sha256(key + b"\0" + self._passwords).digest()
        return URLSafeTimedSerializer(secret, salt=f"supervisor.web {purpose}", signer_kwargs=_SIGNER)


_SIGNER: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
