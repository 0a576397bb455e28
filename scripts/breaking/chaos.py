"""``scripts/chaos [--minutes N] [--seed S]``: fails processes at random under load, and looks what became of the tasks.

The seed decides who is failed, how, and when after the failure before, and what is submitted: a seed that fails can be
run again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.breaking import tasks, verdict
from scripts.breaking.house import ROLES, House, wait
from scripts.measuring.figures import percentile
from supervisor import TaskConfig, faults

_SUBMITTERS = 3
_LEAST = 10_000
_BACK_SECONDS = 60.0
_PROBE = TaskConfig(priority="critical", max_retries=10, crash_budget=20)
"""It does not wait behind what the submitters have queued."""
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Blow:
    """One failure: at once, or where the process comes to a fault point."""

    pause: float
    """Seconds after the recovery from the one before."""
    role: str
    signum: signal.Signals
    point: str = ""

    def __str__(self) -> str:
        return f"{self.signum.name} to the {self.role}" + (f" at {self.point}" if self.point else "")


def draw(chance: random.Random, roles: Sequence[str] = ROLES) -> Blow:
    """The next failure."""
    role, signum, pause = chance.choice(roles), chance.choice(_SIGNALS), chance.expovariate(2.0)
    if role == "arbiter" and signum == signal.SIGSTOP:
        signum = signal.SIGKILL  # whoever runs Gunicorn looks after a stopped one
    if role in faults.ROLES and chance.random() < 0.4:
        return Blow(pause, role, signum, chance.choice(list(faults.points(role))))
    return Blow(pause, role, signum)


class Chaos:
    """One run."""

    def __init__(self, folder: Path, seed: int, within: float, roles: Sequence[str] = ROLES) -> None:
        self._within = within
        self._roles = roles
        self._house = House(folder)
        self._folder = folder
        self._chance = random.Random(seed)
        self._seed = seed
        self._submitters: list[subprocess.Popen[bytes]] = []
        self.recoveries: dict[str, list[float]] = defaultdict(list)
        self.wrong: list[str] = []
        self.late: list[str] = []
        """Recoveries that took too long: told at the end, so that one does not hide what else may be wrong."""

    def run(self, minutes: float) -> None:
        """Until the time is over and enough was accepted; then judge."""
        house = self._house
        try:
            if not house.begin():
                self.wrong.append("it did not start")
                return
            self._begin_load()
            until = time.monotonic() + 60 * minutes
            while not self.wrong and (time.monotonic() < until or self._accepted() < _LEAST):
                self._strike(draw(self._chance, self._roles))
            self._finish()
        finally:
            for each in self._submitters:
                each.kill()
                each.wait()
            house.kill_left_over()

    def _begin_load(self) -> None:
        for number in range(_SUBMITTERS):
            command = [sys.executable, "-m", "scripts.breaking.submitter", str(self._seed * 100 + number)]
            self._submitters.append(self._house.run([*command, str(number * 10_000_000), self._house.web]))

    def _accepted(self) -> int:
        path = self._folder / "accepted"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def _strike(self, blow: Blow) -> None:
        house = self._house
        wait(lambda: False, blow.pause, house)
        house.remember()
        pids = house.pids(blow.role)
        if not pids:
            return
        victim = self._chance.choice(pids)
        if blow.point:
            faults.arm(house.faults, blow.role, blow.point, blow.signum)
            if blow.role == "template":
                os.kill(house.pids("worker")[0], signal.SIGKILL)  # or it would have nothing to do
            if not wait(lambda: faults.met(house.faults, blow.role, blow.point), 10, house):
                (house.faults / f"{blow.role}.{blow.point}").unlink(missing_ok=True)
                return  # nobody came that way: nothing was failed
            victim = 0
        else:
            try:
                os.kill(victim, blow.signum)
            except ProcessLookupError:
                return
        self._recover(blow, victim)

    def _recover(self, blow: Blow, victim: int) -> None:
        """Wait until every part is there again and a new task has run."""
        house, began = self._house, time.monotonic()
        deadly = blow.signum == signal.SIGKILL and not blow.point

        def back() -> bool:
            return house.is_whole(victim if deadly else 0) and house.answers()

        if not wait(back, _BACK_SECONDS, house):
            self.wrong.append(f"after {blow} it did not come back in {_BACK_SECONDS:g} s")
            return
        try:
            house.queue.wait(house.queue.submit(tasks.value_of, 1, config=_PROBE), timeout=_BACK_SECONDS)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            self.wrong.append(f"after {blow} a new task came to {type(error).__name__}: {error}")
        if deadly:
            self.recoveries[blow.role].append(time.monotonic() - began)
            if self.recoveries[blow.role][-1] > self._within:
                self.late.append(f"after {blow} it took {self.recoveries[blow.role][-1]:.2f} s to come back")
        print(f"{time.monotonic() - began:7.3f} s  {blow}", flush=True)

    def _finish(self) -> None:
        house = self._house
        for each in self._submitters:
            each.terminate()
        for each in self._submitters:
            each.wait(60)
        for path in house.faults.iterdir():
            path.unlink()

        def done() -> bool:
            return not sum(house.queue.stats().unfinished.values())

        if not wait(done, 300, house):
            self.wrong.append(f"tasks are left: {house.queue.stats().unfinished}")
        self.wrong += verdict.judge_tasks(self._folder, house.queue)
        code = house.close(60)
        if code != 0:
            self.wrong.append(f"Gunicorn ended with exit code {code}")
        if not wait(lambda: not house.left_over(), 5):
            self.wrong.append(f"processes are left: {house.left_over()}")
        self.wrong += verdict.judge_journal(house.dir / "journal.db")
        self.wrong += verdict.judge_folder(self._folder)
        self.wrong += self.late

    def tell(self) -> None:
        """The table."""
        kinds: dict[str, int] = defaultdict(int)
        for kind, _ in verdict.accepted(self._folder).values():
            kinds[kind] += 1
        total = sum(kinds.values())
        print(f"\naccepted: {total:,} tasks ({', '.join(f'{n:,} {kind}' for kind, n in sorted(kinds.items()))})")
        path = self._folder / "faults.txt"
        refused = path.read_text().count("refused ") if path.exists() else 0
        print(f"refused with a documented error: {refused:,}")
        print(f"{'killed':12} {'times':>5} {'median':>9} {'longest':>9}   until whole again and a new task has run")
        for role, times in sorted(self.recoveries.items()):
            print(f"{role:12} {len(times):5} {percentile(times, 0.5):7.3f} s {max(times):7.3f} s")


def main() -> int:
    """Run, and say what was seen; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/chaos")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long at least (default 2)")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument(
        "--within", type=float, default=2.0, help="seconds in which a kill must be recovered from (default 2)"
    )
    parser.add_argument("--roles", nargs="+", choices=ROLES, default=ROLES, help="who is failed (default: all)")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run in which nothing is wrong, too")
    chosen = parser.parse_args()
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(1_000_000)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever is tired of it: all that was started still goes
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}, in {folder}", flush=True)
    chaos = Chaos(folder, seed, chosen.within, chosen.roles)
    chaos.run(chosen.minutes)
    chaos.tell()
    if chaos.wrong:
        print(f"\n{len(chaos.wrong)} things are wrong (scripts/chaos --minutes {chosen.minutes:g} --seed {seed}):")
        print("\n".join(chaos.wrong[:50]))
        return 1
    print("nothing is wrong")
    if not chosen.keep:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
