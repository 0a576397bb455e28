"""What all answers have in common, and bodies that say nothing."""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct, kw_only=True):
    """What all answers have."""

    live: bool = True
    """Whether the supervisor answered; else all this is from the journal."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body in which there is nothing to say."""
