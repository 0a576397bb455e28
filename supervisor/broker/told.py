"""What one attempt has told of itself: its progress, what it puts into its context, what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from supervisor.core.entry import Entry
from supervisor.journal.rows import Pieces
from supervisor.log import log
from supervisor.wire.messages import Files, ProfileData, ProgressData
from supervisor.wire.talk import Kind, Letters, Puts, Said, decode_profile, decode_progress, decode_puts


@dataclass(slots=True)
class Told:
    """Kept until it is written, which is at the end of the turn in which it was heard."""

    lease: int
    entry: Entry
    progress: ProgressData | None = None
    _progress_is_new: bool = False
    _puts: Puts = field(default_factory=list)
    _profile: ProfileData | None = None
    _letters: Letters = field(default_factory=Letters)

    def hear(self, said: Said) -> None:
        """Something was said. What makes no sense is logged, and nobody is the worse for it."""
        try:
            if said.kind == Kind.PROGRESS:
                self.progress = decode_progress(said.data)
                self._progress_is_new = True
            elif said.kind in (Kind.CONTEXT, Kind.PROFILE):
                letter = self._letters.add(said.data)
                if letter is not None:
                    self._read(said.kind, letter)
        except msgspec.MsgspecError as error:
            log.warning("what task %s told of itself makes no sense: %s", self.entry.kind.name, error)

    def _read(self, kind: int, letter: bytes) -> None:
        if kind == Kind.PROFILE:
            self._profile = decode_profile(letter)
            return
        self._puts += decode_puts(letter)
        self.entry.files |= Files.CONTEXT

    def write(self, pieces: Pieces) -> None:
        """Hand over what is new."""
        seq, told = self.entry.seq, self.progress
        if told is not None and self._progress_is_new:
            pieces.progress.append((seq, self.lease, told.done, told.total, told.message, told.rate, told.at))
            self._progress_is_new = False
        if self._puts:
            pieces.puts.append((seq, self._puts))
            self._puts = []
        if self._profile is not None:
            pieces.profiles.append((seq, self.lease, self._profile.cpu, self._profile.rss, self._profile.text))
            self._profile = None
