"""The example's own parts: what its tasks compute, what its store keeps, and how bad its bad citizens are."""

import gzip
import hashlib
import os
import signal
import struct
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import anyio
import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.examples import app, outlaw, png, store
from docs.examples.tasks import CITIZENS, LIMITS, archive, family, flaky, fractal

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "supervisor" / "uploads"
    monkeypatch.setattr(store, "FOLDER", path)
    return path


def wait_for(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, f"not within {DEADLINE:g} s: {what}"
        time.sleep(0.01)


def quiet(done: float, total: float | None, message: str) -> None:
    pass


# PNG


def decode(data: bytes) -> tuple[int, int, list[bytes]]:
    """Read a PNG of the kind that `png` writes, checking every checksum."""
    assert data.startswith(png.SIGNATURE)
    names, body, at = [], b"", len(png.SIGNATURE)
    width = height = 0
    while at < len(data):
        (length,), name = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        content = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(name + content)
        if name == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", content)
            assert rest == [8, 2, 0, 0, 0]
        body += content if name == b"IDAT" else b""
        names.append(name)
        at += 12 + length
    assert (names[0], names[-1]) == (b"IHDR", b"IEND")
    lines = zlib.decompress(body)
    assert len(lines) == height * (width * 3 + 1)
    step = width * 3 + 1
    return width, height, [unfilter(lines[i : i + step]) for i in range(0, len(lines), step)]


def unfilter(line: bytes) -> bytes:
    assert line[0] == 1
    row = bytearray(3)
    for value in line[1:]:
        row.append((value + row[-3]) & 255)
    return bytes(row[3:])


@given(width=st.integers(1, 9), height=st.integers(1, 9), data=st.data())
def test_a_png_holds_the_rows_it_was_written_from(width: int, height: int, data: st.DataObject) -> None:
    size = width * 3
    rows = data.draw(st.lists(st.binary(min_size=size, max_size=size), min_size=height, max_size=height))
    file = BytesIO()
    png.write(file, width, height, iter(rows))
    assert decode(file.getvalue()) == (width, height, rows)


# Fractals


def test_a_fractal_is_painted_with_progress(folder: Path) -> None:
    heard: list[tuple[float, float | None, str]] = []
    view = fractal.View(width=60, y=0.0)
    picture = fractal.paint(view, store.place("a.png"), lambda *news: heard.append(news))
    content = (folder / picture.file).read_bytes()
    width, height, rows = decode(content)
    assert (width, height, picture.height, picture.size) == (60, 40, 40, len(content))
    assert [done for done, _, _ in heard] == list(range(1, 41))
    assert heard[-1:] == [(40, 40, "row 40 of 40")]
    assert rows[10] == rows[30], "the Mandelbrot set is the same above and below its axis"
    middle = rows[20][3 * 30 : 3 * 31]
    assert middle == fractal.STAYED != rows[0][:3]


def test_a_julia_set_differs_from_the_mandelbrot_set(folder: Path) -> None:
    shown = []
    for kind in ("mandelbrot", "julia"):
        view = msgspec.convert({"kind": kind, "width": 30, "x": 0}, fractal.View)
        shown.append((folder / fractal.paint(view, store.place(f"{kind}.png"), quiet).file).read_bytes())
    assert shown[0] != shown[1]


def test_points_escape_or_stay() -> None:
    assert fractal.escape(0j, -1 + 0j, 500) == -1
    assert fractal.escape(0j, 2 + 2j, 500) >= 0
    assert 0 <= fractal.escape(40 + 0j, 0j, 500) < fractal.SHADES


@pytest.mark.parametrize(
    "body",
    [b'{"width": 8}', b'{"width": 99999}', b'{"span": 0}', b'{"kind": "x"}', b'{"x": "1"}', b"[", b"3"],
)
def test_a_view_that_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=fractal.View)


# Files


@given(st.lists(st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"a", b" "))))
def test_words_are_counted_over_the_cuts(pieces: list[bytes]) -> None:
    count = archive.WordCount()
    for piece in pieces:
        count.add(piece)
    whole = b"".join(pieces)
    assert (count.words, count.lines) == (len(whole.split()), whole.count(b"\n"))


@pytest.mark.parametrize("content", [b"", b"one", b"two words\n" * 100_000, os.urandom(700_000)])
def test_a_file_is_hashed_counted_and_compressed(folder: Path, tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    heard: list[float] = []
    summary = archive.pack(source, store.place("x.gz"), "source", lambda done, *_: heard.append(done))
    packed = (folder / "x.gz").read_bytes()
    assert gzip.decompress(packed) == content
    assert (summary.file, summary.name, summary.size, summary.compressed) == (
        "x.gz",
        "source",
        len(content),
        len(packed),
    )
    assert summary.sha256 == hashlib.sha256(content).hexdigest()
    assert (summary.words, summary.lines) == (len(content.split()), content.count(b"\n"))
    assert summary.ratio == (len(packed) / len(content) if content else 1.0)
    assert all(a < b for a, b in pairwise(heard))
    assert heard[-1:] == ([len(content)] if content else [])


# The store


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("", "file"),
        ("a b\r\nX: 1.txt", "a_b_X_1.txt"),
        ("/" * 9, "file"),
        ("é" * 3 + ".pdf", "_.pdf"),
        ("x" * 300 + ".gz", "x" * 77 + ".gz"),
    ],
)
def test_a_name_is_made_plain(folder: Path, name: str, kept: str) -> None:
    assert store.plain(name) == kept
    assert store.place(name).parent == folder


async def receive(chunks: list[bytes], limit: int) -> Path:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return await store.receive(stream(), "../notes.txt", limit)


def test_an_upload_is_kept(folder: Path) -> None:
    path = anyio.run(receive, [b"ab", b"", b"cd"], 4)
    assert path.read_bytes() == b"abcd"
    assert path.parent == folder
    assert path.name.endswith("-notes.txt")
    assert (folder.stat().st_mode & 0o777, folder.parent.stat().st_mode & 0o777) == (0o700, 0o700)


def test_an_upload_over_the_limit_leaves_nothing(folder: Path) -> None:
    with pytest.raises(store.TooLargeError, match=r"over 3 MB; send a smaller one"):
        anyio.run(receive, [b"x" * 2_000_000] * 2, 3_000_000)
    assert list(folder.iterdir()) == []


def test_a_result_that_breaks_off_never_takes_its_name(folder: Path) -> None:
    path = store.place("result")

    def break_off() -> None:
        with store.writing(path) as file:
            file.write(b"half")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    assert not path.exists()


def test_old_files_are_pruned(folder: Path) -> None:
    for name in ("old", "new"):
        with store.writing(store.place(name)) as file:
            file.write(b"x")
    long_ago = time.time() - 2 * store.KEPT
    os.utime(folder / "old", (long_ago, long_ago))
    store.prune()
    assert [path.name for path in folder.iterdir()] == ["new"]


# The page


def test_every_bad_citizen_has_a_button_and_every_task_a_limit() -> None:
    for name, citizen in CITIZENS.items():
        assert f'data-name="{name}"' in app.PAGE
        assert citizen.name == name
    assert {*CITIZENS, "compress", "render"} == set(LIMITS)
    assert all(LIMITS.values())
    assert "{{" not in app.PAGE


# The bad citizens


def test_flaky_fails_twice_and_then_succeeds() -> None:
    for number in (1, 2):
        with pytest.raises(ConnectionError, match=f"attempt {number}"):
            flaky.attempt(number)
    assert flaky.attempt(3) == "It went well at attempt 3."


@contextmanager
def python(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python in a session of its own, whose process group is killed in the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, start_new_session=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


IN_C = """
import signal, threading, time
from docs.examples.tasks import loop

def beat():
    while True:
        print("another thread runs")
        time.sleep(0.01)

signal.signal(signal.SIGTERM, lambda *_: print("a handler ran"))
threading.Thread(target=beat, daemon=True).start()
loop.endless_in_c()
"""


def burn(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has used a fifth of a second more of its CPU."""
    start = psutil.Process(process.pid).cpu_times().user
    wait_for(lambda: psutil.Process(process.pid).cpu_times().user > start + 0.2, "it burns its CPU")


def test_the_loop_in_c_runs_no_handler_and_no_thread() -> None:
    with python("-u", "-c", IN_C) as process:
        assert process.stdout
        while b"Entering C" not in process.stdout.readline():
            pass
        burn(process)
        os.set_blocking(process.stdout.fileno(), False)
        process.stdout.read()
        process.terminate()
        burn(process)
        assert process.stdout.read() is None
        assert process.poll() is None


def test_the_segmentation_fault_is_one() -> None:
    with python("-c", "from docs.examples.tasks import crash; crash.segfault()") as process:
        assert process.wait(DEADLINE) == -signal.SIGSEGV


def members(marker: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if marker in (process.info["cmdline"] or [])]


def is_gone(process: psutil.Process, marker: str) -> bool:
    return process not in members(marker)


def kill_all(marker: str) -> bool:
    for process in members(marker):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return family.alive(marker) == 0


def is_deaf(process: psutil.Process) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    return all(ignored >> (number - 1) & 1 for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


@contextmanager
def outlaws(mode: str) -> Iterator[str]:
    marker = uuid.uuid4().hex
    with subprocess.Popen([sys.executable, "-IS", outlaw.__file__, mode, marker, "60"]):
        try:
            yield marker
        finally:
            wait_for(lambda: kill_all(marker), f"no {mode} is left")


def is_settled(process: psutil.Process) -> bool:
    """Whether it is deaf to what can be ignored, and leads a session of its own."""
    return is_deaf(process) and os.getsid(process.pid) == process.pid


@pytest.mark.parametrize("mode", ["sit", "daemon"])
def test_an_outlaw_is_deaf_and_in_a_session_of_its_own(mode: str) -> None:
    with outlaws(mode) as marker:
        wait_for(lambda: list(map(is_settled, members(marker))) == [True], mode)
        (process,) = members(marker)
        process.terminate()
        assert process.is_running()
        assert (process.ppid() == os.getpid()) == (mode == "sit")


def test_twins_revive_each_other() -> None:
    with outlaws("twins") as marker:
        for oldest in (True, False):
            wait_for(lambda: len(members(marker)) == 2, "there are two")
            elder, younger = sorted(members(marker), key=psutil.Process.create_time)
            victim = elder if oldest else younger
            victim.kill()
            wait_for(partial(is_gone, victim, marker), "one is dead")
        wait_for(lambda: len(members(marker)) == 2, "there are two again")


def test_a_runner_is_never_the_same_process_for_long() -> None:
    seen: set[int] = set()

    def count() -> int:
        seen.update(one.pid for one in members(marker))
        return len(seen)

    with outlaws("runner") as marker:
        wait_for(lambda: count() > 5, "it has had six ids")
