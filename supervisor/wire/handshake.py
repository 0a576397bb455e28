"""Mutual proof of the key, without sending it.

::

    server → client   nonce
    client → server   nonce, HMAC(key, "client", both nonces)
    server → client   HMAC(key, "server", both nonces)

The role is part of what is signed, so an answer cannot be reflected, and both nonces are, so none can be replayed.
(multiprocessing's own handshake asks with MD5 on Python 3.11 and blocks, hence this one.) Pure: no sockets here.
"""

from __future__ import annotations

import hmac
import os

NONCE = 32
PROOF = 32
ANSWER = NONCE + PROOF


def new_nonce() -> bytes:
    """A nonce nobody has seen."""
    return os.urandom(NONCE)


def _sign(key: bytes, role: bytes, theirs: bytes, ours: bytes) -> bytes:
    return hmac.digest(key, role + theirs + ours, "sha256")


def answer(key: bytes, server_nonce: bytes, client_nonce: bytes) -> bytes:
    """What the client sends: its nonce and its proof."""
    return client_nonce + _sign(key, b"client", server_nonce, client_nonce)


def accept(key: bytes, server_nonce: bytes, message: bytes) -> bytes | None:
    """The server's proof when the client's is right, else None."""
    client_nonce, proof = message[:NONCE], message[NONCE:]
    if not hmac.compare_digest(proof, _sign(key, b"client", server_nonce, client_nonce)):
        return None
    return _sign(key, b"server", server_nonce, client_nonce)


def verify(key: bytes, server_nonce: bytes, client_nonce: bytes, proof: bytes) -> bool:
    """Whether the server's proof is right."""
    return hmac.compare_digest(proof, _sign(key, b"server", server_nonce, client_nonce))
