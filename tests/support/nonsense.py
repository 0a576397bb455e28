"""What somebody who means ill may say on the broker's socket, as strategies of Hypothesis."""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import getsource

import msgspec
from hypothesis import strategies as st

from supervisor.broker import methods
from supervisor.wire.codec import HEADER

_GOVERNING = {"drain", "open", "configure", "pause", "weigh", "clear", "set_limit", "set_rate"}
"""What whoever knows the key may do to everybody: to say it is no attack."""
METHODS = sorted(set(re.findall(r'"(\w+)": call', getsource(methods))) - _GOVERNING)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.binary(max_size=40)
    | st.just(b"0" * 16),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
REQUESTS = st.tuples(
    st.integers(-2, 3) | st.none(), st.sampled_from(METHODS) | st.text(max_size=10), st.lists(PLAIN, max_size=6)
).map(msgspec.msgpack.encode)


def _framed(body: bytes) -> bytes:
    return HEADER.pack(len(body)) + body


def _flipped(case: tuple[bytes, int, int]) -> bytes:
    data, place, flip = case
    found = bytearray(data)
    if found:
        found[place % len(found)] ^= flip
    return bytes(found)


FRAMES = REQUESTS.map(_framed)
PIECES = st.one_of(
    FRAMES,
    st.tuples(FRAMES, st.integers(0, 60)).map(lambda case: case[0][: case[1]]),  # cut off
    st.tuples(FRAMES, st.integers(0, 200), st.integers(1, 255)).map(_flipped),
    st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=40)).map(lambda case: HEADER.pack(case[0]) + case[1]),
    st.binary(max_size=200),
    st.binary(max_size=60).map(lambda body: _framed(b"\xc1" + body)),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection."""

    proves: bool
    """It knows the key, and says so first."""
    says: list[bytes]
    stays: bool
    """It does not hang up, but falls silent."""


VISITS = st.builds(Visit, st.booleans(), st.lists(PIECES, max_size=4), st.sampled_from([False] * 9 + [True]))
