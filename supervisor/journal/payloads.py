"""A bounded cache of payloads, so that a task that starts at once is not read back from the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_LIMIT_BYTES = 32 << 20


class PayloadCache:
    """Payloads by seq; ``fetch(seq)`` reads that one, and may read others along."""

    def __init__(self, fetch: Callable[[int], Iterable[tuple[int, bytes]]], limit: int = _LIMIT_BYTES) -> None:
        self._fetch = fetch
        self._limit = limit
        self._kept: dict[int, bytes] = {}
        self._size = 0

    def keep(self, seq: int, payload: bytes) -> None:
        """Remember a payload, while there is room: what came first will be wanted first."""
        if self._size + len(payload) <= self._limit and seq not in self._kept:
            self._kept[seq] = payload
            self._size += len(payload)

    def get(self, seq: int) -> bytes:
        """The payload, which stays kept until :meth:`drop`, for the task may run again; KeyError if unknown."""
        payload = self._kept.get(seq)
        if payload is not None:
            return payload
        found = dict(self._fetch(seq))
        for other, data in found.items():
            self.keep(other, data)
        return found[seq]

    def drop(self, seq: int) -> None:
        """The task is over."""
        payload = self._kept.pop(seq, None)
        if payload is not None:
            self._size -= len(payload)
