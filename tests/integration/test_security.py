"""Who may reach the queue, and what somebody who may not can do to it: nothing."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing.managers import BaseManager
from pathlib import Path

import msgspec
import pytest

from supervisor import QueueUnavailableError, State, TaskQueue
from supervisor.client.calls import submit
from supervisor.client.manager import QueueManager
from supervisor.directory import Directory
from supervisor.errors import BadRequestError, MessageTooLargeError, SupervisorError
from supervisor.ids import new_id, to_text
from supervisor.system import proc
from supervisor.wire import handshake
from supervisor.wire.codec import HEADER
from supervisor.wire.connection import SERIALIZER, Connection, connect
from supervisor.wire.messages import Submission
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.command import environment
from tests.support.shared import running
from tests.support.tree import RunningTree
from tests.support.waiting import until

WAIT = 60.0


@pytest.fixture
def make_tree(make_tree: MakeTree) -> MakeTree:
    """Trees whose workers are of ordinary niceness, so that a busy machine does not starve them."""
    return functools.partial(make_tree, cpus="off")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTree]:
    with running(tmp_path_factory.mktemp("security")) as tree:
        yield tree


@pytest.fixture
def directory(shared: RunningTree) -> Directory:
    return Directory(shared.dir)


def still_serves(tree: RunningTree) -> None:
    """Others are served, in good time."""
    started = time.monotonic()
    assert tree.queue.wait(tree.queue.submit(tasks.add, 1, 2), timeout=WAIT).result == 3
    assert time.monotonic() - started < 10


def everybody(tree: RunningTree) -> list[int]:
    assert tree.process is not None
    tree.remember()
    roles = [tree.pid_of(role) for role in ("guardian", "master", "broker", "template")]
    return [tree.process.pid, *roles, *tree.worker_pids()]


# -- files -------------------------------------------------------------------------------------------------------


def test_everything_in_the_directory_is_closed_to_others(shared: RunningTree, directory: Directory) -> None:
    shared.queue.wait(shared.queue.submit(tasks.big, 1 << 20), timeout=WAIT)
    shared.queue.wait(shared.queue.submit(tasks.length, b"x" * (1 << 20)), timeout=WAIT)
    assert mode(directory.path) == 0o700
    assert mode(directory.owners) == mode(directory.payloads) == 0o700
    assert mode(directory.key) == mode(directory.socket) == mode(directory.control) == 0o600
    assert mode(directory.journal) == 0o600
    for path in directory.path.rglob("*"):
        assert mode(path) & 0o077 == 0, path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_generous_umask_changes_nothing(make_tree: MakeTree) -> None:
    before = os.umask(0)
    try:
        tree = make_tree(workers=1)
    finally:
        os.umask(before)
    tree.queue.wait(tree.queue.submit(tasks.big, 1 << 20), timeout=WAIT)
    assert [path for path in [tree.dir, *tree.dir.rglob("*")] if mode(path) & 0o077] == []


def test_the_key_is_random_and_kept(make_tree: MakeTree) -> None:
    one, other = make_tree(name="one", workers=1), make_tree(name="other", workers=1)
    keys = [Directory(tree.dir).read_key() for tree in (one, other)]
    assert keys[0] != keys[1]
    assert [len(key) for key in keys] == [32, 32]
    one.stop()
    one.start()
    assert Directory(one.dir).read_key() == keys[0]


def test_the_key_is_in_no_command_line_environment_or_title(shared: RunningTree, directory: Directory) -> None:
    key = directory.read_key()
    spellings = [key, key.hex().encode(), repr(key).encode()]
    still_serves(shared)
    for pid in everybody(shared):
        for name in ("cmdline", "environ", "comm"):
            text = Path("/proc", str(pid), name).read_bytes()
            assert not any(spelling in text for spelling in spellings), (pid, name)
    assert not any(spelling in shared.log.read_bytes() for spelling in spellings)


# -- who is refused ----------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_in_every_way(shared: RunningTree, directory: Directory, tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        connect(directory.socket, b"0" * 32)
    with pytest.raises(PermissionError):
        connect(directory.socket, b"")
    wrong = tmp_path / "wrong"
    wrong.mkdir(mode=0o700)
    (wrong / "key").write_bytes(os.urandom(32))
    (wrong / "queue.sock").symlink_to(directory.socket)
    started = time.monotonic()
    with pytest.raises(QueueUnavailableError, match="refused our key"):
        TaskQueue(wrong, timeout=30.0).submit(tasks.noop)
    assert time.monotonic() - started < 10, "no use in trying again"
    still_serves(shared)


def test_a_handshake_that_was_overheard_opens_nothing(shared: RunningTree, directory: Directory) -> None:
    key = directory.read_key()
    with raw(directory) as genuine:
        overheard = handshake.answer(key, genuine.recv(handshake.NONCE), handshake.new_nonce())
        genuine.sendall(HEADER.pack(len(overheard)) + overheard)
        proof = genuine.recv(HEADER.size + handshake.PROOF)
        assert len(proof) == HEADER.size + handshake.PROOF, "it was right"
        nonce = overheard[: handshake.NONCE]
        for again in (overheard, nonce + proof[HEADER.size :]):
            with raw(directory) as replaying:
                replaying.recv(handshake.NONCE)
                replaying.sendall(HEADER.pack(len(again)) + again)
                assert ended_by_the_other_side(replaying)
    still_serves(shared)


def test_no_error_tells_the_key(shared: RunningTree, directory: Directory, tmp_path: Path) -> None:
    key = os.urandom(32)
    wrong = tmp_path / "wrong"
    wrong.mkdir(mode=0o700)
    (wrong / "key").write_bytes(key)
    (wrong / "queue.sock").symlink_to(directory.socket)
    with pytest.raises(QueueUnavailableError) as refused:
        TaskQueue(wrong).submit(tasks.noop)
    (wrong / "queue.sock").unlink()
    with pytest.raises(QueueUnavailableError) as absent:
        TaskQueue(wrong, timeout=0.1).submit(tasks.noop)
    told = "".join(traceback.format_exception(refused.value) + traceback.format_exception(absent.value))
    assert not any(str(spelling) in told for spelling in (key, key.hex(), list(key)))


def test_a_server_that_does_not_know_the_key_is_not_believed(tmp_path: Path) -> None:
    """Somebody else's socket in our directory does not get our tasks."""
    directory = Directory(tmp_path / "sv")
    directory.prepare()
    heard: list[bytes] = []

    def impostor(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(os.urandom(32))
            heard.append(client.recv(65536))
            client.sendall(HEADER.pack(32) + os.urandom(32))
            heard.append(client.recv(65536))

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(directory.socket))
        listener.listen(4)
        thread = threading.Thread(target=impostor, args=(listener,))
        thread.start()
        with pytest.raises(QueueUnavailableError, match="does not know the key itself"):
            TaskQueue(directory.path, timeout=5.0).submit(tasks.length, b"a secret")
        thread.join(10.0)
    assert b"a secret" not in b"".join(heard)


_AS_NOBODY = """
import msgspec, os, socket, sys
from supervisor.wire.connection import Connection, prove

def proved():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        connected.settimeout(20)
        connected.connect("queue.sock")
        prove(Connection(connected), key)
    return True

def controls():
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connected:
        connected.settimeout(20)
        connected.connect("control.sock")
        connected.send(msgspec.msgpack.encode(("status", {})))
        return bool(connected.recv(200000))

def tried(call):
    try:
        return call()
    except (PermissionError, ConnectionError):
        return False

key = open(sys.argv[1] + "/key", "rb").read()
os.chdir(sys.argv[1])  # whatever the way there allows: only the check of the user is left
print(tried(proved), tried(controls))
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(tried(proved), tried(controls))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_even_in_an_open_directory_and_with_the_key(tree: RunningTree) -> None:
    tree.dir.chmod(0o777)
    for name in ("queue.sock", "control.sock", "key"):
        (tree.dir / name).chmod(0o666)
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(tree.dir)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "True True\nFalse False\n", done.stderr
    still_serves(tree)


# -- connections that misbehave ----------------------------------------------------------------------------------


def raw(directory: Directory) -> socket.socket:
    """A connection that has proved nothing."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(20.0)
    try:
        connected.connect(str(directory.socket))
    except OSError:
        connected.close()
        raise
    return connected


def ended_by_the_other_side(connected: socket.socket) -> bool:
    """Whether it hangs up, at once or after some last words."""
    try:
        while connected.recv(65536):
            continue
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xff" * 64,
        HEADER.pack(2**32 - 1),
        HEADER.pack(2**31) + b"x" * 1000,
        HEADER.pack(64) + b"\0" * 64,
        HEADER.pack(0),
        b"\x00\x00\x00\x40" + bytes(range(64)),
    ],
)
def test_strangers_words_end_the_connection(shared: RunningTree, directory: Directory, words: bytes) -> None:
    with raw(directory) as connected:
        with contextlib.suppress(ConnectionError):
            connected.sendall(words)
        assert ended_by_the_other_side(connected)
    still_serves(shared)


def test_silent_connections_hold_nobody_up_and_are_dropped(shared: RunningTree, directory: Directory) -> None:
    silent = [raw(directory) for _ in range(200)]
    slow = raw(directory)
    slow.sendall(b"\0")
    still_serves(shared)
    assert ended_by_the_other_side(silent[0]), "after the time for a handshake"
    assert ended_by_the_other_side(slow)
    for connected in [*silent, slow]:
        connected.close()
    still_serves(shared)


def test_a_slow_handshake_byte_by_byte_holds_nobody_up(shared: RunningTree, directory: Directory) -> None:
    with raw(directory) as connected:
        for byte in HEADER.pack(64) + b"\0" * 20:
            connected.sendall(bytes([byte]))
            still_serves(shared)


def test_a_flood_of_connections(shared: RunningTree, directory: Directory) -> None:
    for _ in range(3000):
        with contextlib.suppress(BlockingIOError), raw(directory):  # those that find no room line up no longer
            pass
    still_serves(shared)


def test_bytes_before_the_key_is_proved_are_not_hoarded(shared: RunningTree, directory: Directory) -> None:
    broker = shared.pid_of("broker")
    before = proc.resident_bytes(broker)
    for _ in range(20):
        with raw(directory) as connected, contextlib.suppress(ConnectionError):
            connected.sendall(HEADER.pack(1 << 30))
            for _ in range(64):
                connected.sendall(b"x" * (1 << 20))
    assert proc.resident_bytes(broker) - before < 64 << 20
    still_serves(shared)


def proved(directory: Directory) -> Connection:
    """A connection of somebody who knows the key, and means ill."""
    connection = connect(directory.socket, directory.read_key())
    connection.timeout = 20.0
    return connection


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"rubbish",
        msgspec.msgpack.encode(None),
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode((0, "no_such_method", ())),
        msgspec.msgpack.encode((0, "__init__", ())),
        msgspec.msgpack.encode((0, "submit", ())),
        msgspec.msgpack.encode((0, "submit", (1,))),
        msgspec.msgpack.encode((0, "submit", ((b"short", "name", b""),))),
        msgspec.msgpack.encode((0, "task", (b"0" * 16, "yes"))),
        msgspec.msgpack.encode((0, "wait", (b"0" * 16, 1e308, False))),
        msgspec.msgpack.encode((0, "report", ((1, 0),))),
        msgspec.msgpack.encode((0, "next", ([], 5))),
        msgspec.msgpack.encode((0, "hello", (("x", 0, 0, 0),))),
        b"\x93\x00\xa4stats" + b"\x91" * 100_000,
        b"\xdd\xff\xff\xff\xff",
        b"\x93\x00\xa6submit\xdd\xff\xff\xff\xff",
        pickle.dumps({"a": 1}),
    ],
)
def test_malformed_requests_are_answered_with_an_error(shared: RunningTree, directory: Directory, body: bytes) -> None:
    with proved(directory) as connection:
        connection.send_body(body)
        with pytest.raises((BadRequestError, ConnectionError, SupervisorError)):
            connection.receive_reply()
    still_serves(shared)


def test_a_message_over_the_limit_is_refused(make_tree: MakeTree) -> None:
    tree = make_tree(message_limit="200K", inline_limit="64K", workers=1)
    with proved(Directory(tree.dir)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.socket.sendall(HEADER.pack(300_000) + b"x" * 300_000)
        with pytest.raises((MessageTooLargeError, ConnectionError)):
            connection.receive_reply()
    still_serves(tree)


def test_nonsense_numbers_in_a_submission_are_refused(shared: RunningTree, directory: Directory) -> None:
    good = msgspec.to_builtins(Submission(new_id(), "name", b""))
    for place, value in (
        (4, -1.0),
        (4, float("nan")),
        (4, 1e300),
        (3, {"timeout": -1.0}),
        (3, {"surprise": 1}),
        (1, ""),
    ):
        wrong = [*good[:place], value, *good[place + 1 :]]
        with proved(directory) as connection:
            connection.send((0, "submit", (wrong,)))
            with pytest.raises(BadRequestError):
                connection.receive_reply()
    still_serves(shared)


def test_a_client_that_reads_no_answers_holds_nobody_up(shared: RunningTree, directory: Directory) -> None:
    with proved(directory) as connection:
        connection.socket.settimeout(5.0)
        question = msgspec.msgpack.encode((0, "stats", ()))
        framed = HEADER.pack(len(question)) + question
        with contextlib.suppress(OSError):
            for _ in range(200):
                connection.socket.sendall(framed * 100)
        still_serves(shared)


def test_half_a_message_holds_nobody_up(shared: RunningTree, directory: Directory) -> None:
    with proved(directory) as connection:
        connection.socket.sendall(HEADER.pack(1000) + b"x" * 10)
        still_serves(shared)


# -- payloads ----------------------------------------------------------------------------------------------------


class Bomb:
    """Writes a file in whichever process unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        code = f"import os; open({str(self.path)!r}, 'a').write(f'{{os.getpid()}}\\n')"
        return exec, (code,)


def test_a_pickle_bomb_goes_off_in_a_worker_and_nowhere_else(tree: RunningTree, tmp_path: Path) -> None:
    blown = tmp_path / "blown"
    submission = Submission(new_id(), "bomb", b"V" + pickle.dumps(Bomb(blown)))
    proxy = tree.queue._ends.sync
    workers = set(tree.worker_pids())
    assert proxy.perform(submit(submission, 10.0)) == submission.id
    task_id = to_text(submission.id)
    assert tree.queue.wait(task_id, timeout=WAIT).state is State.FAILED
    os.kill(tree.pid_of("broker"), 9)  # nor when the journal is read again
    assert tree.queue.get_result(task_id) is not None
    pids = set(map(int, blown.read_text().split()))
    assert pids
    assert pids <= workers
    still_serves(tree)


@pytest.mark.parametrize("payload", [b"", b"X", b"R", b"V", b"R\x80\x05", b"Rgarbage", b"V" + pickle.dumps(7)])
def test_payloads_that_make_no_sense_are_failures(shared: RunningTree, payload: bytes) -> None:
    before = set(shared.worker_pids())
    submission = Submission(new_id(), "nonsense", payload)
    assert shared.queue._ends.sync.perform(submit(submission, 10.0)) == submission.id
    task_id = to_text(submission.id)
    until(lambda: (shared.queue.get_task(task_id) or 0) and shared.queue.state(task_id) is State.RETRYING, "a failure")
    record = shared.queue.get_task(task_id)
    assert record is not None
    assert record.error is not None
    assert shared.queue.cancel(task_id)
    assert set(shared.worker_pids()) == before, "no worker died of it"


def test_an_id_cannot_name_a_file_elsewhere(shared: RunningTree, directory: Directory) -> None:
    with proved(directory) as connection:
        connection.send((0, "task", (b"../../etc/passwd", True)))
        assert msgspec.msgpack.decode(connection.receive_reply().value) is None


# -- a stock manager ---------------------------------------------------------------------------------------------


def test_a_stock_manager_connects_with_our_serializer_and_not_with_pickle(shared: RunningTree) -> None:
    directory = Directory(shared.dir)
    stock = BaseManager(address=str(directory.socket), authkey=directory.read_key(), serializer=SERIALIZER)
    stock.connect()
    QueueManager(directory).connect()
    wrong = BaseManager(address=str(directory.socket), authkey=b"0" * 32, serializer=SERIALIZER)
    with pytest.raises(PermissionError):
        wrong.connect()
    still_serves(shared)


def test_stock_pickle_clients_get_nowhere(shared: RunningTree) -> None:
    """multiprocessing's own framing and handshake are strangers' words here."""
    directory = Directory(shared.dir)
    with raw(directory) as connected:
        connected.recv(64)
        connected.sendall(struct.pack("!i", 20) + b"#WELCOME#" + b"x" * 11)
        bomb = pickle.dumps((None, "dummy", (), {}))
        with contextlib.suppress(ConnectionError):
            connected.sendall(struct.pack("!i", len(bomb)) + bomb)
        assert ended_by_the_other_side(connected)
    still_serves(shared)
