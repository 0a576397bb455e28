"""What was done is kept, whoever knocks meanwhile; and what is fetched for many goes on after a failure."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from supervisor.directory import Directory
from supervisor.web.audit import Audit, Entry
from supervisor.web.producer import Producer

LARGE = (4 << 20) + 1


def entry(role: str = "operator") -> Entry:
    return Entry(user="x", role=role, address="", action="POST api/x", target="", status=200, outcome="done")


def test_strangers_do_not_push_out_what_was_done(tmp_path: Path) -> None:
    audit = Audit(Directory(tmp_path))

    async def knock() -> None:
        await audit.write(entry())
        for _ in range(500):
            await audit.write(entry(role=""))
        await audit.write(entry(role="viewer"))

    asyncio.run(knock())
    kept = [each.role for each in audit.read(1000, 0)]
    assert (kept[0], kept[-1]) == ("viewer", "operator")
    assert 1 <= kept.count("") <= 20


def test_a_large_file_is_put_aside_once_however_many_write(tmp_path: Path) -> None:
    path = tmp_path / "web-audit.jsonl"
    path.write_bytes(b"x" * LARGE + b"\n")
    audits = [Audit(Directory(tmp_path)) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        for audit in audits * 5:
            threads.submit(audit._append, b"{}\n")
    assert (tmp_path / "web-audit.jsonl.1").stat().st_size >= LARGE, "what was before is not lost"
    assert path.read_bytes().count(b"\n") + (tmp_path / "web-audit.jsonl.1").read_bytes().count(b"{}") == 40


def test_what_is_fetched_for_all_goes_on_after_a_failure() -> None:
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("as asked")

    async def listen() -> None:
        producer = Producer(work)
        async with producer.attended():
            await asyncio.wait_for(producer.changed.wait(), 20)
        assert not producer.is_working

    asyncio.run(listen())
    assert len(tries) == 2
