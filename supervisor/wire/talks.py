"""The messages about what tasks say: the lines that they print and log, and the items that they stream."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]


class Said(Struct, frozen=True, array_like=True, gc=False):
    """A piece of what an attempt has said."""

    lease: int
    piece: int
    attempt: int
    at: float
    text: str
    marks: bytes
    """A list of :class:`~supervisor.core.transcript.Mark` as msgpack; empty where all was printed to stdout then."""


class Place(Struct, frozen=True, array_like=True, gc=False):
    """How far a reader of what a task says has come."""

    lease: int = 0
    piece: int = 0


class SaidSlice(Struct, frozen=True, array_like=True, gc=False):
    """What was said behind a place, in its order."""

    pieces: list[Said]
    ended: bool
    """Whether the task has ended, and this is all of it."""


class Item(Struct, frozen=True, array_like=True, gc=False):
    """Worker → broker: what a task has yielded."""

    lease: int
    number: Count
    """0 for the first of this attempt."""
    data: bytes
    file: bool = False
    """It lies in a file."""


class Seen(Struct, frozen=True, array_like=True, gc=False):
    """How far a reader of a stream has come."""

    number: Count = 0
    """The item that it wants next."""
    lease: int = 0
    """The attempt that it read from; 0 for none."""


class ItemSlice(Struct, frozen=True, array_like=True, gc=False):
    """Items of a stream, from the number that was asked for."""

    lease: int
    """The attempt that they are of."""
    items: list[tuple[bool, bytes]]
    """Whether it lies in a file; else its bytes."""
    ended: bool
    """Whether the task has ended, and these are the last."""
