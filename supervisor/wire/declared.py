"""What the application declares as it is imported, on its way from the template to the broker.

It travels in a file without a name, whose descriptor goes along with a message: a message might be too short for it.
The master, in between, keeps the descriptor for the next broker, and never reads what is in the file.
"""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from supervisor.core.plan import Plan
from supervisor.wire.info import Known


class Declared(Struct, frozen=True):
    """The names that were registered, the schedules, and which hooks there are."""

    names: dict[str, Known] = {}
    plans: list[Plan] = []
    hooks: list[str] = []
    """The names of the internal tasks that are wanted, since there are hooks for them."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Declared).decode


def declared_file(declared: Declared) -> int:
    """A file that holds this; its descriptor."""
    descriptor = os.memfd_create("supervisor-declared", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(_encode(declared))
    return descriptor


def read_declared(descriptor: int) -> Declared:
    """What is in such a file, which is closed."""
    with os.fdopen(descriptor, "rb") as file:
        # Others share the place in the file with us, so none is made use of.
        return _decode(os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0))
