"""The ways out of metrics: a port that only this machine reaches, a file that is never seen half, a command."""

from __future__ import annotations

import ipaddress
import os
import signal
import stat
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor.metrics import file
from supervisor.system import proc
from tests.conftest import MakeTree
from tests.support import tasks
from tests.support.command import ask, command, environment, run
from tests.support.scraping import Scraped
from tests.support.tree import RunningTree
from tests.support.waiting import until

HOST = ipaddress.IPv4Address(int(ipaddress.IPv4Address("127.0.0.0")) + os.getpid())
"""Of this test process alone, so that its ports are free."""
LOOPBACK = f"{int.from_bytes(HOST.packed, 'little'):08X}"
"""As /proc/net/tcp writes it."""
LISTENS = "0A"
PORT = 9464


def fetch(port: int = PORT) -> Scraped | None:
    """What the port answers; None while it does not."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            return Scraped(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return None


def listening(port: int = PORT) -> set[str]:
    """The addresses of this machine, but for those of other test processes, on which it listens on a port."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    places = [row[1].split(":") for row in rows if row[3] == LISTENS]
    found = {address for address, each in places if int(each, 16) == port}
    return {address for address in found if address == LOOPBACK or not address.endswith("7F")}


def read(path: Path) -> Scraped:
    return Scraped(path.read_text())


def exporter_of(tree: RunningTree) -> int | None:
    """The pid of the process of the tree that shows metrics."""
    tree.remember()
    found = [pid for pid in proc.descendants(tree.pid_of("guardian")) if "supervisor: metrics" in proc.command(pid)]
    return found[0] if found else None


def test_a_tree_shows_metrics_on_its_port_and_in_its_file(make_tree: MakeTree, tmp_path: Path) -> None:
    path = tmp_path / "supervisor.prom"
    tree = make_tree(cpus="off", metrics_listen=f"{HOST}:{PORT}", metrics_file=str(path), metrics_interval=1)
    assert tasks.add.on(tree.queue).delay(1, 1).result(timeout=30) == 2
    served = until(fetch, "the port to answer", 20)
    assert served.by("outcome", "tasks_total") == {"succeeded": 1}
    assert listening() == {LOOPBACK}
    until(lambda: read(path).by("outcome", "tasks_total") == {"succeeded": 1}, "the file to be written again", 20)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "the node exporter is another user"
    tree.stop()
    last = read(path)
    assert (last.value("up"), last.value("broker_up")) == (0, 0)
    assert not any(last.named("tasks_total")), "nothing is left that was true before"
    assert fetch() is None
    assert [each.name for each in tmp_path.glob("*.prom*")] == ["supervisor.prom"]


def test_what_shows_metrics_is_brought_back_and_outlives_master_and_guardian(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off", metrics_listen=f"{HOST}:{PORT}")
    until(fetch, "the port to answer", 20)
    first = exporter_of(tree)
    assert first is not None
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(first, signum)  # as they reach every process of a unit
    os.kill(tree.pid_of("master"), signal.SIGKILL)

    def restarted() -> bool:
        found = fetch()
        assert found is not None, "it answers all the time"
        return found.value("process_restarts_total", role="master") == 1

    until(restarted, "another master", 20)
    assert exporter_of(tree) == first
    os.kill(first, signal.SIGKILL)
    until(fetch, "another process that shows metrics", 20)
    second = exporter_of(tree)
    assert second is not None
    assert second != first
    guardian = tree.pid_of("guardian")
    os.kill(guardian, signal.SIGKILL)
    until(lambda: proc.state(second) in (None, "Z"), "the end of the guardian's exporter", 20)
    until(lambda: fetch() is not None and exporter_of(tree) not in (None, second), "that of another guardian", 20)
    os.kill(tree.pid_of("master"), signal.SIGKILL)  # this guardian had adopted it
    until(lambda: tree.status() and (tree.status() or {})["ready"] == 2, "workers that are ready", 20)
    until(lambda: (found := fetch()) is not None and found.value("up") == 1, "it to say so", 20)


def test_a_folder_that_is_missing_and_a_port_that_is_taken_are_told_and_tried_again(
    make_tree: MakeTree, tmp_path: Path
) -> None:
    shown = {"metrics_listen": f"{HOST}:{PORT}", "metrics_interval": 1, "cpus": "off", "workers": 1}
    path = tmp_path / "later" / "supervisor.prom"
    first = make_tree(name="first", **shown, metrics_file=str(path))
    until(fetch, "the port to answer", 20)
    until(lambda: f"{path.parent}" in first.log.read_text(), "the log to name the folder", 20)
    path.parent.mkdir()
    until(lambda: path.exists() and read(path).value("up") == 1, "the file, once there is a folder", 20)
    second = make_tree(name="second", **shown)
    until(
        lambda: f"metrics cannot be served on {HOST}:{PORT}" in second.log.read_text(), "the log to name the port", 20
    )
    assert first.log.read_text().count("it is tried again") == 1, "once, and not each second"
    first.stop()

    def answers() -> bool:
        found = fetch()
        return found is not None and any(found.named("up", dir=str(second.dir)))

    until(answers, "the second to have the port", 20)


def test_nothing_shows_metrics_unless_it_is_wanted(make_tree: MakeTree) -> None:
    tree = make_tree(cpus="off")
    assert exporter_of(tree) is None


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.prom"
    texts = [letter * size for letter, size in ((b"a", 1_000_000), (b"b", 10), (b"c", 300_000))]
    file.write(path, texts[0])
    seen: list[bytes] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(300):
            file.write(path, texts[number % 3])
    finally:
        over.set()
        reader.join()
    assert set(seen) <= set(texts)
    assert len(set(seen)) == 3
    assert [each.name for each in tmp_path.iterdir()] == ["supervisor.prom"]


@contextmanager
def serving(tree: RunningTree, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """``supervisor metrics`` for as long as it is wanted."""
    words = command("metrics", "--dir", tree.dir, *arguments)
    with subprocess.Popen(words, cwd=tree.folder, env=environment(), stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def test_the_command_serves_and_writes_whether_a_supervisor_runs_or_not(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(cpus="off")
    path = tmp_path / "other.prom"
    with serving(tree, "--listen", f"{HOST}:{PORT}", "--file", path, "--every", "0.1") as process:
        assert until(fetch, "the port to answer", 20).value("up") == 1
        assert listening() == {LOOPBACK}
        until(lambda: path.exists() and read(path).value("up") == 1, "the file", 20)
        tree.stop()
        until(lambda: read(path).value("up") == 0, "the file to say that it is down", 20)
        found = fetch()
        assert found is not None
        assert found.value("up") == 0
        taken = run("metrics", "--listen", f"{HOST}:{PORT}", "--dir", tree.dir, cwd=tree.folder)
        assert taken.code == 1
        assert f"metrics cannot be served on {HOST}:{PORT}" in taken.error
    assert process.returncode == 0
    assert not path.exists(), "nobody keeps it up to date any more"


def test_the_command_prints_or_writes_once(make_tree: MakeTree, tmp_path: Path) -> None:
    tree = make_tree(cpus="off")
    printed = ask(tree, "metrics")
    assert (printed.code, Scraped(printed.out).value("up")) == (0, 1)
    path = tmp_path / "once.prom"
    assert ask(tree, "metrics", "--file", path, "--once").code == 0
    assert read(path).value("workers_wanted") == 2
    refused = ask(tree, "metrics", "--file", tmp_path / "nowhere" / "x.prom", "--once")
    assert (refused.code, "cannot be written" in refused.error) == (1, True)
    tree.stop()
    stopped = ask(tree, "metrics")
    assert (stopped.code, Scraped(stopped.out).value("up")) == (0, 0), "that is what it is there to say"


def test_a_port_that_others_reach_is_refused(tmp_path: Path) -> None:
    for address in ("0.0.0.0:9464", "[::]:9464", "192.168.1.1:9464", "example.org:9464"):
        ran = run("metrics", "--listen", address, cwd=tmp_path)
        assert ran.code == 2, ran.out
        assert "this machine" in " ".join(ran.error.split())
