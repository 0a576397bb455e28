"""What one attempt has told of itself: its progress, what it puts into its context, what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from supervisor.core.entry import Entry
from supervisor.journal.rows import Pieces
from supervisor.log import log
from supervisor.wire.codec import MALFORMED
from supervisor.wire.messages import Files, ProfileData, ProgressData
from supervisor.wire.talk import Kind, Puts, decode_profile, decode_progress, decode_puts


@dataclass(slots=True)
class Told:
    """Kept until it is written, which is at the end of the turn in which it was heard."""

    lease: int
    entry: Entry
    progress: ProgressData | None = None
    _progress_is_new: bool = False
    _puts: Puts = field(default_factory=list)
    _profile: ProfileData | None = None

    def hear(self, kind: int, data: bytes) -> None:
        """Something was told. What makes no sense is logged, and nobody is the worse for it."""
        try:
            self._read(kind, data)
        except MALFORMED as error:
            log.warning("what task %s told of itself makes no sense: %s", self.entry.kind.name, error)

    def _read(self, kind: int, data: bytes) -> None:
        match kind:
            case Kind.PROGRESS:
                self.progress = decode_progress(data)
                self._progress_is_new = True
            case Kind.PROFILE:
                self._profile = decode_profile(data)
            case Kind.CONTEXT:
                self._puts += decode_puts(data)
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
