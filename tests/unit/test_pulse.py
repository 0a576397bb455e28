"""Silence is counted as far as somebody was there to hear it."""

from __future__ import annotations

from supervisor.system.pulse import Pulse

HALF = 500_000_000
HOUR = 3600 * 10**9


def test_silence_adds_up_from_look_to_look_and_ends_with_a_beat() -> None:
    pulse = Pulse()
    assert [pulse.silent_ns(1, look * HALF) for look in range(4)] == [0, HALF, 2 * HALF, 3 * HALF]
    assert pulse.silent_ns(2, 4 * HALF) == 0
    assert pulse.silent_ns(2, 5 * HALF) == HALF


def test_a_pause_of_everybody_is_nobody_s_silence() -> None:
    pulse = Pulse()
    pulse.silent_ns(1, 0)
    assert pulse.silent_ns(1, HOUR) <= 10**9
    assert pulse.silent_ns(2, HOUR + HALF) == 0
