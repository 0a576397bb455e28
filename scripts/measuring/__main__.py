"""``scripts/measure [--quick] [SECTION …]``, or ``scripts/measure --against REVISION [--rounds N]``."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from scripts.measuring import crowd, dashboard, deep, growth, limits, web, workload
from scripts.measuring.figures import rates, say, spread
from scripts.measuring.pair import compare
from scripts.measuring.rates import drain_rate, submit_rate, together
from scripts.measuring.sweeping import step_times
from scripts.measuring.tree import Tree, running, wait_ready
from supervisor import Handle


def kills(quick: bool) -> None:
    """How long after its deadline a task is dead and its end in the journal."""
    late: list[float] = []
    with running(workers=2, durability="normal") as tree:
        for _ in range(10 if quick else 100):
            handle = workload.spin.on(tree.queue).options(timeout=0.2).delay()
            record = wait_ended(tree, handle)
            late.append((record.ended_at or 0) - (record.started_at or 0) - 0.2)
    say("hard kill: past the deadline (target p99 ≤ 50 ms)", spread(late))


def wait_ended(tree: Tree, handle: Handle[None]):  # type: ignore[no-untyped-def]
    """The record, once the task has ended."""
    while True:
        record = handle.record()
        if record.state.ended:
            return record
        time.sleep(0.005)


def replacements(quick: bool) -> None:
    """From SIGKILL to a replacement that is ready, with an application that takes 2 s to import."""
    times: list[float] = []
    with running({"MEASURE_IMPORT_SECONDS": "2", "MEASURE_HEAP_OBJECTS": "1000000"}, workers=1) as tree:
        for _ in range(5 if quick else 50):
            status = wait_ready(tree)
            pid = status["workers"][0]["pid"]
            start = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            while True:
                workers = [worker for worker in tree.status()["workers"] if worker["stage"] == "ready"]
                if workers and workers[0]["pid"] != pid:
                    break
                time.sleep(0.001)
            times.append(time.perf_counter() - start)
        wait_ready(tree)
        row = _timeouts_in_a_row(tree, 10 if quick else 100)
    say("SIGKILL → replacement READY, 2 s import (target ≤ 150 ms)", spread(times))
    say("timeouts in a row, each beyond its limit (target ≤ 150 ms)", f"{1e3 * row:10.1f} ms")


def _timeouts_in_a_row(tree: Tree, count: int) -> float:
    """How many seconds each takes beyond its limit: the kill, its record, and the next worker."""
    limit = 0.1
    task, start = workload.spin.on(tree.queue).options(timeout=limit), time.perf_counter()
    for handle in [task.delay() for _ in range(count)]:
        wait_ended(tree, handle)
    return (time.perf_counter() - start) / count - limit


def latency(quick: bool) -> None:
    """Submit → first line of the task, on an idle queue."""
    trips: list[float] = []
    for durability in ("normal", "full", "off"):
        with running(workers=1, durability=durability) as tree:
            delays: list[float] = []
            task = workload.first_line.on(tree.queue)
            for _ in range(200 if quick else 1000):
                start = time.monotonic_ns()
                delays.append((task.delay().result(timeout=10) - start) / 1e9)
        trips += limits.ping_pong(0.2)
        target = " (target p50 ≤ 0.5 ms)" if durability == "normal" else ""
        say(f"submit → start, idle, {durability}{target}", spread(delays))
    say("  beside it: Unix-socket ping-pong", spread(trips))


def submits(quick: bool) -> None:
    """Acknowledged submits a second, one by one and in batches."""
    for durability in ("full", "normal", "off"):
        one, many, batch = [], [], []
        for _ in range(1 if quick else 3):
            with running(workers=1, durability=durability) as tree:
                one.append(submit_rate(tree.queue, 1.0))
                many.append(together(tree, 8))
                start = time.perf_counter()
                tree.queue.submit_many(workload.noop, [()] * 20_000)
                batch.append(20_000 / (time.perf_counter() - start))
        say(f"acknowledged submits, one by one, {durability}", rates(one))
        say(f"  from 8 processes at once, {durability}", rates(many))
        say(f"  in batches of 1,000, {durability}", rates(batch))
    trip = limits.median_round_trip()
    say("  beside them: socket round trips", f"{1 / trip:10,.0f} /s")
    for level in ("FULL", "NORMAL"):
        say(f"  beside them: SQLite commits of one row, {level}", f"{limits.sqlite_commits(level):10,.0f} /s")


def throughput(quick: bool) -> None:
    """No-op tasks a second, two workers, results kept; beside multiprocessing.Pool in turn."""
    tasks = 5_000 if quick else 50_000
    pool: list[float] = []
    drains: dict[str, list[float]] = {"full": [], "normal": [], "off": []}
    wholes: dict[str, list[float]] = {"full": [], "normal": [], "off": []}
    for _ in range(1 if quick else 3):
        pool.append(limits.pool_rate(tasks, 2))
        for durability, figures in drains.items():
            with running(workers=2, durability=durability) as tree:
                drain, whole = drain_rate(tree, tasks)
                figures.append(drain)
                wholes[durability].append(whole)
    say("no-op tasks, Pool(2).apply_async, from the first submit", rates(pool))
    for durability, figures in drains.items():
        say(f"no-op tasks, drain of a filled queue, {durability}", rates(figures))
        ratio = statistics.median(wholes[durability]) / statistics.median(pool)
        say("  submit (batches) + drain, from the first submit", f"{rates(wholes[durability])}   × Pool: {ratio:.2f}")
    with running(workers=2, durability="normal", batch_size=1) as tree:
        drain, _ = drain_rate(tree, tasks)
    say("no-op tasks, one a call, normal", rates([drain]))


def memory(quick: bool) -> None:
    """PSS of the processes, and of one more worker of an application with a heap of 100 MB."""
    heap = {"MEASURE_HEAP_OBJECTS": "1600000"}
    sizes: list[int] = []
    for workers in (2, 3):
        with running(heap, workers=workers) as tree:
            for _ in range(20):
                workload.noop.on(tree.queue).delay().result(timeout=10)
            sizes.append(sum(map(pss, tree.pids())))
            if workers == 2:
                status = tree.status()
                for role in ("guardian", "master", "broker", "template"):
                    found = status[role]
                    pid = found["pid"] if isinstance(found, dict) else found
                    say(f"memory (PSS), {role}", f"{pss(pid) / 2**20:8.1f} MiB")
    say("memory (PSS), one more worker (heap about 100 MB)", f"{(sizes[1] - sizes[0]) / 2**20:8.1f} MiB")


def pss(pid: int) -> int:
    """Proportional set size in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def idle(quick: bool) -> None:
    """CPU that the whole tree uses while there is nothing to do, and how often it wakes up."""
    with running(workers=2) as tree:
        workload.noop.on(tree.queue).delay().result(timeout=10)
        pids = tree.pids()
        used, woken, start = sum(map(limits.cpu, pids)), sum(map(limits.wakes, pids)), time.perf_counter()
        time.sleep(5 if quick else 30)
        used, woken = sum(map(limits.cpu, pids)) - used, sum(map(limits.wakes, pids)) - woken
        spent = time.perf_counter() - start
    say("CPU while idle, whole tree (target ≤ 0.3 % of a core)", f"{100 * used / spent:8.3f} %")
    say("wake-ups while idle, whole tree (target ≤ 20 a second)", f"{woken / spent:8.1f} /s")


def sweep(quick: bool) -> None:
    """How long the queue waits for a step of the sweep, all of whose tasks are due."""
    tasks = 10_000 if quick else 100_000
    say(f"step of the sweep, {tasks:,} tasks that are due", spread(step_times(tasks)))


def depth(quick: bool) -> None:
    """A deep queue beside a shallow one."""
    tasks = 100_000 if quick else 1_000_000
    found = deep.beside(1_000, tasks, 3 if quick else 15)
    for name, (few, many) in (("submits", found.submits), ("claims", found.claims)):
        ratios = [there / here for here, there in zip(few, many, strict=True)]
        figure = f"{statistics.median(many):10,.0f} /s   with 1,000: {statistics.median(few):10,.0f} /s"
        low, middle, high = statistics.quantiles(ratios, n=4)
        label = f"{name} with {tasks:,} that wait (target ≥ 0.8 of 1,000)"
        say(label, f"{figure}   ratio {middle:.2f}   ({low:.2f} to {high:.2f}, {len(ratios)} rounds)")
    say("broker's memory for a task that waits (target ≤ 400)", f"{found.bytes_each:10,.0f} bytes")
    shallow, full = found.restarts
    say(f"broker's restart with {tasks:,} (target ≤ 10 s)", f"{full:10.2f} s   with 1,000: {shallow:.2f} s")
    say("10,000 due in one second, the last starts (target ≤ 2 s)", f"{deep.same_second(10_000):10.2f} s after it")


def growing(quick: bool) -> None:
    """What grows as the work does."""
    cases = (
        ("a task, of a queue of", "µs", growth.by_tasks([10_000, 100_000] + [1_000_000] * (not quick))),
        ("a submit, from processes at once:", "µs", growth.by_submitters([1, 2, 4, 8, 16])),
        ("there and back, bytes:", "ms", growth.by_bytes([100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000])),
    )
    for name, unit, found in cases:
        for number, value in found.items():
            say(f"{name} {number:,}", f"{value:10.2f} {unit}")


def features(quick: bool) -> None:
    """Drain rates with nothing but the task, and with everything else there and unused, in turn."""
    tasks, rounds = (5_000, 3) if quick else (20_000, 15)
    ratios: list[float] = []
    modules = ["scripts.measuring.workload", "scripts.measuring.featured"]
    usual: dict[str, Any] = {"workers": 2, "durability": "normal", "cpus": "off"}
    with running(**usual) as bare, running(**usual | {"tasks": modules}) as full:
        for number in range(rounds):
            found = {tree: drain_rate(tree, tasks)[0] for tree in ((bare, full) if number % 2 else (full, bare))}
            ratios.append(found[full] / found[bare])
    label = "drain with features there, unused / without (target ≥ 0.9)"
    say(label, f"{statistics.median(ratios):10.3f}   ({min(ratios):.3f} to {max(ratios):.3f}, {rounds} rounds)")


def requests(quick: bool) -> None:
    """What a submit costs a request: p99 at 200 requests a second."""
    without, with_submit = web.submits(3 if quick else 9, 2.0 if quick else 5.0)
    ratios = [there / here for here, there in zip(without, with_submit, strict=True)]
    figure = f"{1e3 * statistics.median(without):.2f} ms without, {1e3 * statistics.median(with_submit):.2f} ms with"
    say("request, p99 at 200/s (target ratio ≤ 1.3)", f"{figure}   ratio {statistics.median(ratios):.2f}")


def isolation(quick: bool) -> None:
    """What burning CPU costs a request that has nothing to do with it."""
    found = web.isolation(2 if quick else 5, 3.0 if quick else 6.0)
    idle = statistics.median(found["idle"])
    for arm, values in found.items():
        ratio = f"   × idle: {statistics.median(values) / idle:.2f}" if arm != "idle" else ""
        target = " (target ≤ 1.5 × idle)" if arm == "supervisor" else ""
        say(f"request, p99 at 200/s, burning in: {arm}{target}", f"{1e3 * statistics.median(values):10.2f} ms{ratio}")
    for connections in (1, 8) if shutil.which("wrk") else ():
        before, beside = web.under_wrk(2 if quick else 4, 4, connections)
        ratios = [there / here for here, there in zip(before, beside, strict=True)]
        figure = f"{1e3 * statistics.median(before):.2f} ms idle, {1e3 * statistics.median(beside):.2f} ms burning"
        say(f"request, p99 under wrk, {connections} connection(s)", f"{figure}   ratio {statistics.median(ratios):.2f}")


def scaling(quick: bool) -> None:
    """How far one broker goes. A simulation: tasks that sleep stand for tasks that compute on other cores."""
    for sleep in (0.05, 0.005):
        for count in (1, 2, 4, 8, 16, 32, 64):
            found = crowd.with_workers(count, sleep, 3.0 if quick else 8.0)
            label = f"simulated: {count:2} workers, tasks that sleep {1e3 * sleep:g} ms"
            share = found.rate / found.ideal
            say(label, f"{found.rate:10,.0f} /s   {share:4.0%} of the ideal   broker: {found.broker:4.0%} of a core")


def pages(quick: bool) -> None:
    """Pages of the dashboard's lists, of a large journal, each filter walked to its end."""
    tasks = 100_000 if quick else 1_000_000
    for name, (times, rows, count) in dashboard.pages(tasks).items():
        label = f"page of {tasks:,}: {name} (target ≤ 200 ms)"
        say(label, f"{spread(times)}   {rows:,} rows on {count} pages")


def listeners(quick: bool) -> None:
    """What fifty dashboards that are open cost the tasks."""
    ratios = dashboard.listeners(3 if quick else 15, 10_000 if quick else 20_000)
    label = "drain with 50 dashboards open / without (target ≥ 0.9)"
    say(label, f"{statistics.median(ratios):10.3f}   ({min(ratios):.3f} to {max(ratios):.3f}, {len(ratios)} rounds)")


SECTIONS: dict[str, Callable[[bool], None]] = {
    "kills": kills,
    "replacements": replacements,
    "latency": latency,
    "submits": submits,
    "throughput": throughput,
    "memory": memory,
    "idle": idle,
    "sweep": sweep,
    "depth": depth,
    "growing": growing,
    "features": features,
    "requests": requests,
    "isolation": isolation,
    "scaling": scaling,
    "pages": pages,
    "listeners": listeners,
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/measure")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--against", metavar="REVISION", help="instead: another version and this one, in turn")
    parser.add_argument("--rounds", type=int, default=20, help="how often, with --against (default 20)")
    chosen = parser.parse_args()
    for name in chosen.sections:
        if name not in SECTIONS:
            sys.exit(f"there is no section {name!r}; there are {', '.join(SECTIONS)}")
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()},"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n"
    )
    if chosen.against:
        compare(chosen.against, chosen.rounds)
        return
    for name, section in SECTIONS.items():
        if not chosen.sections or name in chosen.sections:
            section(chosen.quick)


if __name__ == "__main__":
    main()
