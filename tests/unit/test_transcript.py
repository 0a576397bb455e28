"""What is kept of what an attempt said: the text in bounds, and the lines in it, however they came."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from supervisor.broker.kept import Kept
from supervisor.core.agenda import Agenda
from supervisor.core.capacity import Capacity
from supervisor.core.entry import Entry
from supervisor.core.kind import Defaults, Kinds
from supervisor.core.moment import Moment
from supervisor.core.transcript import LOG, NO_EXTRA, NOTE, RAW, STDERR, STDOUT, Line, Lines, Mark, Transcript, cut
from supervisor.ids import new_id
from supervisor.journal.rows import Pieces
from supervisor.wire.messages import Submission
from supervisor.wire.talk import Kind, Letters, LogRecord, TalkBuffer, decode_record, record_letter

streams = st.sampled_from((STDOUT, STDERR, RAW))
texts = st.text("ab\n", min_size=1, max_size=12)
printed = st.tuples(streams, texts, st.sampled_from((0.0, 0.0005, 1.0)))
logged = st.tuples(st.just(LOG), st.text("xy\n", max_size=8), st.sampled_from((0.0, 1.0)))
said = st.lists(printed | logged, max_size=30)
Said = list[tuple[str, str, float]]
decode = msgspec.msgpack.Decoder(list[Mark]).decode


def entry() -> Entry:
    agenda = Agenda(Kinds(Defaults()), Capacity(10))
    made = agenda.submit(Submission(new_id(), "t", b""), Moment(0.0, 0.0))
    assert made is not None
    return made


def message_of(text: str) -> tuple[str, Mark]:
    return f"INFO app: {text}\n", Mark(0, 0.0, LOG, "info", "app", NO_EXTRA, len("INFO app: "))


def say(to: Kept | Transcript, what: Said) -> None:
    at = 0.0
    for stream, text, later in what:
        at += later
        if stream == LOG:
            whole, mark = message_of(text)
            to.record(whole, msgspec.structs.replace(mark, at=at))
        else:
            to.print(text, at, stream)


def expected(what: Said) -> dict[str, list[str]]:
    """The lines of each stream, by the rules alone."""
    found: dict[str, list[str]] = {}
    for stream in (STDOUT, STDERR, RAW):
        whole = "".join(text for each, text, _ in what if each == stream)
        found[stream] = whole.removesuffix("\n").split("\n") if whole else []
    found[LOG] = [text for each, text, _ in what if each == LOG]
    return found


def first(pair: tuple[str, float]) -> str:
    return pair[0]


def by_stream(lines: list[Line]) -> dict[str, list[str]]:
    return {stream: [line.message for line in lines if line.stream == stream] for stream in (STDOUT, STDERR, RAW, LOG)}


@given(said, st.lists(st.integers(0, 30)))
def test_the_lines_are_those_that_were_said_however_the_text_is_cut_into_pieces(what: Said, ends: list[int]) -> None:
    lines, transcript = Lines(), Transcript()
    found: list[Line] = []
    for number, each in enumerate(what):
        say(transcript, [each])
        if number in ends:
            found += lines.feed(*transcript.take())
    found += lines.feed(*transcript.take())
    found += lines.finish()
    assert by_stream(found) == expected(what)


@given(said)
def test_every_line_has_the_time_at_which_it_began(what: Said) -> None:
    transcript, lines = Transcript(), Lines()
    at, begun, wanted = 0.0, dict[str, float](), []
    for stream, text, later in what:
        at += later
        if stream == LOG:
            whole, mark = message_of(text)
            transcript.record(whole, msgspec.structs.replace(mark, at=at))
            continue
        transcript.print(text, at, stream)
        for part in text.splitlines(keepends=True):
            begun.setdefault(stream, at)
            if part.endswith("\n"):
                wanted.append((stream, begun.pop(stream)))
    found = [(line.stream, line.at) for line in lines.feed(*transcript.take()) if line.stream != LOG]
    for (stream, told), (_, real) in zip(sorted(found, key=first), sorted(wanted, key=first), strict=True):
        assert abs(told - real) <= 0.0011 * len(what), stream


@given(said, st.integers(0, 200))
def test_a_cut_text_keeps_the_marks_of_what_is_left(what: Said, count: int) -> None:
    transcript = Transcript()
    say(transcript, what)
    text, marks = transcript.take()
    count = min(count, len(text))
    rest, kept = cut(text, marks, count)
    assert rest == text[count:]

    def origin(where: int, all_marks: list[Mark]) -> tuple[str, float]:
        return [(mark.stream, mark.at) for mark in all_marks if mark.start <= where][-1]

    for where in range(len(rest)):
        assert origin(where, kept) == origin(where + count, marks)


@given(said, st.integers(1, 40), st.lists(st.integers(0, 30)))
def test_what_is_kept_is_the_beginning_and_the_end_within_the_limit(what: Said, half: int, ends: list[int]) -> None:
    kept, table, marks = Kept(entry(), 1, half), dict[int, str](), dict[int, list[Mark]]()
    told: list[tuple[str, list[Mark]]] = []

    def write(pieces: Pieces) -> None:
        for seq, lease, number, _, text in pieces.output:
            assert (seq, lease) == (1, 7)
            table[number] = text  # type: ignore[index, assignment]
        for *_, number, data in pieces.marks:
            marks[number] = decode(data)  # type: ignore[index, arg-type]
        for *_, number in pieces.dropped:
            del table[number]  # type: ignore[arg-type]
            marks.pop(number, None)  # type: ignore[call-overload]

    for number, each in enumerate(what):
        say(kept, [each])
        if number in ends:
            pieces = Pieces()
            told += kept.write(7, float(number), pieces)
            write(pieces)
            assert sum(map(len, table.values())) <= 4 * half + 60, "also while it runs"
    pieces = Pieces()
    told += kept.finish(7, 99.0, pieces)
    write(pieces)

    whole = "".join(message_of(text)[0] if stream == LOG else text for stream, text, _ in what)
    output = "".join(table[number] for number in sorted(table))
    note = f"\n[… {kept.dropped:,} characters dropped …]\n"
    if kept.dropped:
        assert note in output
        begin, end = output.split(note)
        assert len(begin) <= half
        assert len(end) == half
        assert len(whole) == len(begin) + kept.dropped + len(end)
        assert whole.startswith(begin)
        assert whole.endswith(end)
    else:
        assert output == whole
        lines = Lines()
        again = [
            line
            for number in sorted(table)
            for line in lines.feed(table[number], marks.get(number, [Mark(0, 0.0, STDOUT)]))
        ]
        assert by_stream([*again, *lines.finish()]) == expected(what)
        live = [line for text, its_marks in told for line in lines.feed(text, its_marks)]
        assert by_stream([*live, *lines.finish()]) == expected(what), "as one that follows has it"


def test_lines_beside_what_was_dropped_are_not_joined() -> None:
    lines = Lines()
    found = [
        *lines.feed("the begi", [Mark(0, 1.0, STDOUT)]),
        *lines.feed("\n[… 9 characters dropped …]\n", [Mark(0, 2.0, NOTE, "warning", prefix=1)]),
        *lines.feed("he end\n", [Mark(0, 3.0, STDOUT)]),
    ]
    assert [line.message for line in found] == ["the begi", "[… 9 characters dropped …]", "he end"]


@given(st.text(max_size=200).map(lambda text: text * 100))
def test_a_long_log_record_crosses_in_writes_that_are_atomic(message: str) -> None:
    record = LogRecord(1.5, "info", "app", message.encode("utf-8", "replace").decode(), msgspec.Raw(b"\x81\xa1a\x01"))
    writes = record_letter(9, record)
    assert all(len(write) <= 4096 for write in writes)
    heard = TalkBuffer().feed(b"".join(writes))
    assert {(each.kind, each.lease) for each in heard} == {(Kind.RECORD, 9)}
    letters = Letters()
    *before, whole = [letters.add(each.data) for each in heard]
    assert before == [None] * (len(heard) - 1)
    assert whole is not None
    found = decode_record(whole)
    assert (found.at, found.level, found.logger, found.message) == (1.5, "info", "app", record.message)
    assert bytes(found.extra) == b"\x81\xa1a\x01"
