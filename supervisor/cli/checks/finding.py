"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """The supervisor runs, and something about it is worse than it could be."""
    FAULT = "fault"
    """It does not run, or not safely."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about one subject."""

    subject: str
    verdict: Verdict
    sentence: str


def ok(subject: str, sentence: str) -> Finding:
    """As it should be."""
    return Finding(subject, Verdict.OK, sentence)


def warning(subject: str, sentence: str) -> Finding:
    """Worth knowing."""
    return Finding(subject, Verdict.WARNING, sentence)


def fault(subject: str, sentence: str) -> Finding:
    """To be mended."""
    return Finding(subject, Verdict.FAULT, sentence)
