"""The wire: frames in any pieces, messages of plain data, the proof of the key, long addresses, errors far away."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import errors
from supervisor.broker.connection import Connection as Served
from supervisor.broker.connection import may_connect, peer_uid
from supervisor.errors import BadRequestError, MessageTooLargeError, SupervisorError
from supervisor.wire import handshake
from supervisor.wire.address import LONGEST, short_path
from supervisor.wire.channel import Channel, Fence, Gone, Roster, Stop
from supervisor.wire.codec import (
    ERROR,
    HEADER,
    RETURN,
    FrameBuffer,
    Request,
    decode_plain,
    decode_reply,
    decode_request,
    encode,
    encode_reply,
    frame,
)
from supervisor.wire.connection import Connection, connect
from supervisor.wire.messages import ErrorData, Outcome, ProgressData, Report, Submission
from supervisor.wire.options import Options
from supervisor.wire.remote import RemoteError, rebuild
from supervisor.wire.talk import Kind, TalkBuffer, decode_progress, frames, progress_frame

KEY = b"k" * 32
LIMIT = 1000
DEADLINE = 20.0

text = st.text(max_size=20)
seconds = st.floats(min_value=0.001, max_value=1e9)
options = st.builds(
    Options,
    timeout=st.sampled_from([msgspec.UNSET, None]) | seconds,
    max_retries=st.just(msgspec.UNSET) | st.integers(0, 1_000_000_000),
    priority=st.integers(-1_000_000, 1_000_000),
    memory_limit=st.sampled_from([msgspec.UNSET, None]) | st.integers(1, 2**60),
)
submissions = st.builds(
    Submission,
    id=st.binary(min_size=16, max_size=16),
    name=st.text(min_size=1, max_size=255),
    payload=st.binary(max_size=50),
    options=options,
    delay=st.floats(0, 1e9),
    generation=st.integers(0, 2**62),
)
reports = st.builds(
    Report,
    lease=st.integers(0, 2**62),
    outcome=st.sampled_from(Outcome),
    result=st.binary(max_size=50),
    error=st.none() | st.builds(ErrorData, text, text, text),
    seconds=st.floats(0, 1e6),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def feed(buffer: FrameBuffer, pieces: list[bytes]) -> list[bytes]:
    return [body for piece in pieces for body in buffer.feed(piece)]


# -- messages ---------------------------------------------------------------------------------------------------


@given(submissions)
def test_a_submission_arrives_as_it_was_sent(submission: Submission) -> None:
    request = decode_request(encode((7, "submit", (submission,))))
    assert (request.ident, request.method) == (7, "submit")
    assert msgspec.msgpack.decode(request.args, type=tuple[Submission]) == (submission,)


@given(reports)
def test_a_report_arrives_as_it_was_sent(report: Report) -> None:
    assert msgspec.msgpack.decode(encode(report), type=Report) == report


@given(options)
def test_options_are_kept_in_the_journal_as_they_were_chosen(chosen: Options) -> None:
    assert msgspec.json.decode(msgspec.json.encode(chosen), type=Options) == chosen


@pytest.mark.parametrize(
    "wrong",
    [
        Submission(b"short", "f", b""),
        Submission(bytes(16), "", b""),
        Submission(bytes(16), "x" * 256, b""),
        Submission(bytes(16), "f", b"", delay=-1.0),
        Submission(bytes(16), "f", b"", Options(timeout=0.0)),
        Submission(bytes(16), "f", b"", Options(priority=2_000_000)),
        Submission(bytes(16), "f", "text"),  # type: ignore[arg-type]
    ],
)
def test_a_submission_that_makes_no_sense_is_refused_where_it_arrives(wrong: Submission) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(encode(wrong), type=Submission)


def test_options_that_nobody_knows_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.msgpack.decode(encode({"timeuot": 3.0}), type=Options)


@given(st.binary(max_size=100))
def test_bytes_that_are_no_request_are_refused_and_never_run(data: bytes) -> None:
    try:
        assert isinstance(decode_request(data), Request)
    except msgspec.MsgspecError:
        return


def test_a_pickle_is_data_like_any_other_and_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "it ran"),)

    data = pickle.dumps(Bomb())
    with pytest.raises(msgspec.MsgspecError):
        decode_request(data)
    with pytest.raises(msgspec.MsgspecError):
        msgspec.msgpack.decode(data, type=Submission)
    assert not list(tmp_path.iterdir())


def test_a_stock_manager_client_gets_a_pair_and_ours_the_number_of_its_call_as_well() -> None:
    stock, ours = (decode_plain(encode_reply(ident, RETURN, "value")[4:]) for ident in (None, 7))
    assert (stock, ours) == (["#RETURN", "value"], ["#RETURN", "value", 7])
    assert decode_reply(encode_reply(7, ERROR, ("X", ()))[4:]).ident == 7


# -- frames -----------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(0, 1000), max_size=20))
def test_frames_come_out_whole_and_in_order_however_they_are_cut(bodies: list[bytes], places: list[int]) -> None:
    buffer = FrameBuffer(LIMIT)
    stream = b"".join(frame(body, LIMIT) for body in bodies)
    assert feed(buffer, cut(stream, places)) == bodies
    assert len(buffer) == 0


@given(st.integers(LIMIT + 1, 2**32 - 1), st.integers(0, 40), st.lists(st.integers(0, 100), max_size=4))
def test_a_frame_over_the_limit_is_refused_by_its_length_before_it_has_come(
    length: int, come: int, places: list[int]
) -> None:
    buffer = FrameBuffer(LIMIT)
    with pytest.raises(MessageTooLargeError):
        feed(buffer, cut(HEADER.pack(length) + bytes(come), places))
    assert len(buffer) <= 4 + come


def test_a_frame_over_the_limit_is_refused_also_when_it_comes_in_one_piece() -> None:
    assert FrameBuffer(LIMIT).feed(HEADER.pack(LIMIT) + bytes(LIMIT)) == [bytes(LIMIT)]
    with pytest.raises(MessageTooLargeError):
        FrameBuffer(LIMIT).feed(HEADER.pack(LIMIT + 1) + bytes(LIMIT + 1))
    with pytest.raises(MessageTooLargeError):
        frame(bytes(LIMIT + 1), LIMIT)


@given(st.text(max_size=9000), st.lists(st.integers(0, 100_000), max_size=10))
def test_what_a_task_says_comes_out_of_the_pipe_letter_by_letter(said: str, places: list[int]) -> None:
    said = said * (1 + 9000 // (len(said) + 1))
    writes = frames(Kind.OUTPUT, 5, said.encode("utf-8", "replace"))
    assert all(len(write) <= 4096 for write in writes), "each write is atomic"
    buffer = TalkBuffer()
    heard = [each for piece in cut(b"".join(writes), places) for each in buffer.feed(piece)]
    assert all((each.kind, each.lease) == (Kind.OUTPUT, 5) for each in heard)
    assert "".join(each.data.decode("utf-8") for each in heard) == said.encode("utf-8", "replace").decode()


def test_bytes_that_are_no_text_come_out_of_the_pipe_as_they_went_in() -> None:
    data = bytes([0x80]) * 20_000
    heard = TalkBuffer().feed(b"".join(frames(Kind.OUTPUT, 1, data)))
    assert b"".join(each.data for each in heard) == data


def test_progress_with_a_long_message_is_cut_to_one_write() -> None:
    for message in ("so", "ü" * 10_000):
        data = progress_frame(3, ProgressData(1.0, 2.0, message))
        assert len(data) <= 4096
        (said,) = TalkBuffer().feed(data)
        assert decode_progress(said.data) == ProgressData(1.0, 2.0, message[:500])


# -- the proof of the key ---------------------------------------------------------------------------------------


def test_both_sides_prove_the_key_without_sending_it() -> None:
    theirs, ours = handshake.new_nonce(), handshake.new_nonce()
    answer = handshake.answer(KEY, theirs, ours)
    proof = handshake.accept(KEY, theirs, answer)
    assert proof is not None
    assert handshake.verify(KEY, theirs, ours, proof)
    assert KEY not in answer + proof


def test_a_wrong_key_is_refused_by_either_side() -> None:
    theirs, ours = handshake.new_nonce(), handshake.new_nonce()
    assert handshake.accept(KEY, theirs, handshake.answer(b"wrong", theirs, ours)) is None
    proof = handshake.accept(b"wrong", theirs, handshake.answer(b"wrong", theirs, ours))
    assert proof is not None
    assert not handshake.verify(KEY, theirs, ours, proof)


def test_an_answer_that_was_overheard_is_no_answer_to_another_question() -> None:
    overheard = handshake.answer(KEY, handshake.new_nonce(), handshake.new_nonce())
    assert handshake.accept(KEY, handshake.new_nonce(), overheard) is None


def test_an_answer_cannot_be_reflected() -> None:
    """A server without the key asks a client with the key, and hands its own words back to it."""
    theirs, ours = handshake.new_nonce(), handshake.new_nonce()
    answer = handshake.answer(KEY, theirs, ours)
    assert not handshake.verify(KEY, theirs, ours, answer[handshake.NONCE :])
    proof = handshake.accept(KEY, theirs, answer)
    assert proof is not None
    assert handshake.accept(KEY, ours, theirs + proof) is None


@given(st.binary(max_size=100), st.integers(0, 63), st.integers(1, 255))
def test_an_answer_with_any_other_bytes_is_refused(noise: bytes, place: int, flip: int) -> None:
    nonce = b"n" * 32
    answer = bytearray(handshake.answer(KEY, nonce, b"c" * 32))
    answer[place] ^= flip
    for message in (noise, bytes(answer), bytes(answer[:-1]), bytes(answer) + b"\0"):
        assert handshake.accept(KEY, nonce, message) is None
    assert not handshake.verify(KEY, nonce, nonce, noise)


# -- connections ------------------------------------------------------------------------------------------------


@contextmanager
def serving(address: Path, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Somebody who listens there and talks with whoever connects first."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.settimeout(DEADLINE)
        with short_path(address) as path:
            listener.bind(path)
        listener.listen()

        def run() -> None:
            connected, _ = listener.accept()
            with connected:
                connected.settimeout(DEADLINE)
                talk(connected)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            thread.join(DEADLINE)
            assert not thread.is_alive()


def as_broker(connected: socket.socket, key: bytes = KEY) -> Served:
    """The broker's side of a connection, up to the proof."""
    served = Served(connected, key, LIMIT, 0.0)
    connected.sendall(served.greet())
    served.read()
    connected.sendall(bytes(served.out))
    served.out.clear()
    return served


def echo(connected: socket.socket) -> None:
    """Answer requests with their arguments until the other side hangs up."""
    served = as_broker(connected)
    while (bodies := served.read()) is not None:
        for body in bodies:
            request = decode_request(body)
            connected.sendall(encode_reply(request.ident, RETURN, decode_plain(request.args)))


@pytest.mark.parametrize("length", [30, LONGEST, LONGEST + 1, 250])
def test_an_address_of_any_length_is_reached(tmp_path: Path, length: int) -> None:
    folder = tmp_path
    while len(str(folder / "queue.sock")) < length:
        folder = folder / ("d" * max(1, min(100, length - len(str(folder / "queue.sock")) - 1)))
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "queue.sock"
    with serving(address, echo), connect(address, KEY, DEADLINE) as connection:
        connection.send((1, "m", ["hello"]))
        assert decode_plain(connection.receive_reply().value) == ["hello"]
    with short_path(address) as path:
        assert len(os.fsencode(path)) <= LONGEST
        assert os.path.samefile(path, address)
    assert not os.path.exists(path) or path == str(address), "nothing stays open"


def test_a_relative_address_is_reached_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path / "s", echo), connect("s", KEY, DEADLINE) as connection:
        connection.send((None, "m", [1]))
        assert connection.recv() == (RETURN, [1])


def test_a_client_with_the_wrong_key_is_told_so(tmp_path: Path) -> None:
    def refuse(connected: socket.socket) -> None:
        with pytest.raises(PermissionError):
            as_broker(connected)
        connected.sendall(frame(b"", LIMIT))

    with serving(tmp_path / "s", refuse), pytest.raises(PermissionError, match="refused our key"):
        connect(tmp_path / "s", b"wrong", DEADLINE)


def test_a_server_that_does_not_know_the_key_is_not_trusted(tmp_path: Path) -> None:
    def pretend(connected: socket.socket) -> None:
        connected.sendall(bytes(handshake.NONCE))
        answer = connected.recv(1000)[4:]
        connected.sendall(frame(answer[handshake.NONCE :], LIMIT))  # its own proof, reflected

    with serving(tmp_path / "s", pretend), pytest.raises(PermissionError, match="does not know the key"):
        connect(tmp_path / "s", KEY, DEADLINE)


@pytest.mark.parametrize("words", [b"", bytes(10), bytes(handshake.NONCE)])
def test_a_server_that_says_too_little_holds_nobody_up(tmp_path: Path, words: bytes) -> None:
    done = threading.Event()

    def stall(connected: socket.socket) -> None:
        connected.sendall(words)
        done.wait(DEADLINE)

    with serving(tmp_path / "s", stall):
        with pytest.raises(TimeoutError):
            connect(tmp_path / "s", KEY, 0.05)
        done.set()


def test_an_answer_in_crumbs_is_put_together_within_one_deadline(tmp_path: Path) -> None:
    def crumble(connected: socket.socket) -> None:
        served = as_broker(connected)
        (body,) = served.read() or []
        reply = encode_reply(decode_request(body).ident, RETURN, "x" * 50)
        for byte in reply + reply:
            connected.sendall(bytes([byte]))

    with serving(tmp_path / "s", crumble), connect(tmp_path / "s", KEY, DEADLINE) as connection:
        connection.timeout = DEADLINE
        connection.send((3, "m", []))
        for _ in range(2):
            reply = connection.receive_reply()
            assert (reply.ident, decode_plain(reply.value)) == (3, "x" * 50)
        with pytest.raises(ConnectionResetError):
            connection.receive_reply()


def test_a_receive_has_a_deadline_and_a_limit(tmp_path: Path) -> None:
    done = threading.Event()

    def boast(connected: socket.socket) -> None:
        as_broker(connected)
        done.wait(DEADLINE)
        connected.sendall(HEADER.pack(LIMIT + 1))

    with serving(tmp_path / "s", boast), connect(tmp_path / "s", KEY, DEADLINE, LIMIT) as connection:
        connection.timeout = 0.05
        with pytest.raises(TimeoutError):
            connection.receive_reply()
        done.set()
        connection.timeout = DEADLINE
        with pytest.raises(MessageTooLargeError):
            connection.receive_reply()
        with pytest.raises(MessageTooLargeError):
            connection.send_body(bytes(LIMIT + 1))


def pair() -> tuple[Served, Connection]:
    broker, client = socket.socketpair(socket.AF_UNIX)
    broker.setblocking(False)
    client.settimeout(DEADLINE)
    return Served(broker, KEY, LIMIT, 0.0), Connection(client)


def test_whoever_has_not_proved_the_key_cannot_make_the_broker_keep_much() -> None:
    served, client = pair()
    client.socket.sendall(HEADER.pack(1025) + bytes(1025))
    with pytest.raises(MessageTooLargeError):
        served.read()
    served.close()
    client.close()


def test_a_request_before_the_proof_is_taken_for_a_wrong_proof() -> None:
    served, client = pair()
    client.send((1, "stats", []))
    with pytest.raises(PermissionError):
        served.read()
    assert not served.trusted
    served.close()
    client.close()


def test_only_our_own_user_and_root_may_connect() -> None:
    served, client = pair()
    assert peer_uid(served.socket) == os.geteuid()
    assert may_connect(os.geteuid())
    assert may_connect(0)
    assert not may_connect(os.geteuid() + 12345)
    served.close()
    client.close()


def test_an_answer_that_nobody_reads_is_kept_and_sent_when_there_is_room() -> None:
    served, client = pair()
    blocked: list[Served] = []
    sent = os.urandom(3 << 20)
    served.send(sent[: 2 << 20], blocked.append)
    served.send(sent[2 << 20 :], blocked.append)
    assert blocked == [served, served]
    received = b""
    while len(received) < len(sent):
        received += client.socket.recv(1 << 20)
        served.flush()
    assert received == sent
    assert served.flush()
    served.close()
    client.close()


# -- errors far away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (errors.QueueFullError, (10,)),
        (errors.QueueClosedError, ()),
        (errors.JournalFullError, ("disk full",)),
        (errors.UnknownTaskError, ("ab" * 16,)),
        (errors.MessageTooLargeError, (11, 10)),
        (errors.BadRequestError, ("no method",)),
        (errors.TaskOptionError, ("timeout", -1, "seconds")),
    ],
)
def test_an_error_is_raised_on_the_other_side_as_what_it_was(
    kind: type[SupervisorError], arguments: tuple[Any, ...]
) -> None:
    reply = decode_reply(encode_reply(1, ERROR, RemoteError(kind, *arguments).as_value())[4:])
    rebuilt = rebuild(decode_plain(reply.value))
    assert type(rebuilt) is kind
    assert str(rebuilt) == str(kind(*arguments))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [],
        ["QueueFullError"],
        ["SystemExit", [1]],
        ["QueueFullError", []],
        ["QueueFullError", ["many"]],
        ["QueueFullError", 5],
        [["QueueFullError"], []],
        ["MessageTooLargeError", ["a", "b"]],
    ],
)
def test_an_error_that_nobody_knows_is_still_an_error_of_ours(value: object) -> None:
    assert type(rebuild(value)) is BadRequestError


# -- the line between master and children -----------------------------------------------------------------------


def test_the_private_line_keeps_messages_apart_and_carries_descriptors() -> None:
    ours, theirs = Channel.pair()
    theirs.socket.setblocking(False)
    read, write = os.pipe()
    assert ours.send(Roster([]), [read])
    assert ours.send(Fence(5, "timeout"))
    assert ours.send(Gone(1, 2, "signal", "SIGSEGV"))
    (first, carried), (second, none), (third, _) = theirs.drain()
    assert (first, second, third) == (Roster([]), Fence(5, "timeout"), Gone(1, 2, "signal", "SIGSEGV"))
    assert none == []
    os.write(write, b"through")
    assert os.read(carried[0], 10) == b"through"
    ours.close()
    assert theirs.drain() == [(None, [])]
    assert not theirs.send(Stop())
    theirs.close()
    for descriptor in (read, write, *carried):
        os.close(descriptor)


def test_a_task_without_keys_arrives_without_them() -> None:
    sent = Submission(b"x" * 16, "t", b"x")
    assert msgspec.msgpack.decode(encode(sent), type=Submission).keys is None, (
        "what has keys costs more, also when they are empty"
    )
