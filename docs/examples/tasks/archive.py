"""An uploaded file, read once in pieces: hashed, counted and compressed on the way."""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.examples import store
from supervisor import current_task, task

PIECE = 256 * 1024
GZIP = 31
"""zlib's window size that also asks for gzip's header and trailer, so that `gunzip` reads the file."""

Progress = Callable[[float, float | None, str], None]


@dataclass(frozen=True)
class Summary:
    """What there is to say about a file; sizes in bytes."""

    file: str
    """The compressed file, by its name in the store."""
    name: str
    size: int
    compressed: int
    ratio: float
    """Compressed by original size: 0.25 is a quarter."""
    sha256: str
    words: int
    lines: int


class WordCount:
    """Words and lines of a text that comes in pieces: a word may begin in one and end in the next."""

    def __init__(self) -> None:
        self.words = 0
        self.lines = 0
        self._open = False

    def add(self, piece: bytes) -> None:
        """Count one piece."""
        self.words += len(piece.split()) - (self._open and not piece[:1].isspace())
        self.lines += piece.count(b"\n")
        self._open = not piece[-1:].isspace()


@task(name="compress", timeout=60, max_retries=1)
def compress(path: str, name: str) -> Summary:
    """Hash, count and compress an upload."""
    store.prune()
    job = current_task()
    return pack(Path(path), store.place(f"{job.id}.gz"), name, job.progress)


def pack(source: Path, target: Path, name: str, progress: Progress) -> Summary:
    """Write `source`, compressed, to `target`, and tell what it holds; `progress` hears of each piece."""
    size, digest = source.stat().st_size, hashlib.sha256()
    count, packer = WordCount(), zlib.compressobj(6, wbits=GZIP)
    with store.writing(target) as out:
        for done, piece in _pieces(source):
            digest.update(piece)
            count.add(piece)
            out.write(packer.compress(piece))
            progress(done, size, f"{count.words:,} words so far")
        out.write(packer.flush())
    packed = target.stat().st_size
    ratio = packed / size if size else 1.0
    return Summary(target.name, name, size, packed, ratio, digest.hexdigest(), count.words, count.lines)


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield file.tell(), piece
