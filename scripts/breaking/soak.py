"""``scripts/soak --hours N``: a steady load, and what the processes take meanwhile: it has to stay flat."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from scripts.breaking import picture, verdict
from scripts.breaking.flow import Flow
from scripts.breaking.house import House, wait
from scripts.breaking.sample import Sample, Sampler

_SETTINGS = {"max_tasks": 300, "max_tasks_jitter": 60, "result_ttl": 120, "record_ttl": 120, "dead_ttl": 120}
"""Workers are recycled, and tasks forgotten, so often that an hour has many rounds of both."""
_SAMPLES = 360
_PLAY = {"rss": 4 << 20, "fds": 0, "journal": 2 << 20}
"""By how much more than a twentieth a figure may differ at the end."""


class Soak:
    """One run, which writes into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._house = House(folder, **_SETTINGS)
        self._flow = Flow(self._house.dir, self._house.web)
        self.samples: list[Sample] = []
        self.wrong: list[str] = []

    def run(self, hours: float) -> None:
        """Until the time is over; then look."""
        house = self._house
        try:
            if not house.begin():
                self.wrong.append("it did not start")
                return
            self._watch(3600 * hours)
            self._finish()
        finally:
            self._flow.stop()
            house.kill_left_over()

    def _watch(self, seconds: float) -> None:
        sampler = Sampler(self._house, self._flow)
        self._flow.start()
        began, step = time.monotonic(), seconds / _SAMPLES
        for number in range(1, _SAMPLES + 1):
            wait(lambda: False, began + number * step - time.monotonic())
            self._house.remember()
            self.samples.append(sampler.take((time.monotonic() - began) / 60))
            if number % (_SAMPLES // 12) == 0:
                print(self.samples[-1], flush=True)

    def _finish(self) -> None:
        house = self._house
        self._flow.stop()
        if not wait(lambda: not sum(house.queue.stats().unfinished.values()), 60, house):
            self.wrong.append(f"tasks are left: {house.queue.stats().unfinished}")
        if self._flow.refused:
            self.wrong.append(f"refused: {self._flow.refused[:3]}")
        self.wrong += self._slopes()
        if (code := house.close(60)) != 0:
            self.wrong.append(f"Gunicorn ended with exit code {code}")
        if not wait(lambda: not house.left_over(), 5):
            self.wrong.append(f"processes are left: {house.left_over()}")
        self.wrong += verdict.judge_journal(house.dir / "journal.db") + verdict.judge_folder(self._folder)

    def _slopes(self) -> list[str]:
        """What is higher in the last quarter than it was in the second."""
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        wrong: list[str] = []
        for name in Sample.flat():
            before, after = (statistics.median(getattr(each, name) for each in part) for part in (early, late))
            play = _PLAY[name.rpartition("_")[2]]
            if after > before * 1.05 + play:
                wrong.append(f"{name.replace('_', ' ')} has grown from {before:,.0f} to {after:,.0f}")
        return wrong

    def tell(self) -> None:
        """What there was to do."""
        print(f"\n{self._flow.accepted:,} tasks, of which {self._flow.requests:,} through the web server")


def main() -> int:
    """Run, draw, and say what was seen; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/soak")
    parser.add_argument("--hours", type=float, default=1.0, help="how long (default 1)")
    parser.add_argument("--picture", type=Path, default=Path("soak.png"), help="where to (default soak.png)")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"in {folder}\n{Sample.heading()}", flush=True)
    soak = Soak(folder)
    soak.run(chosen.hours)
    soak.tell()
    if soak.samples:
        picture.draw(soak.samples, chosen.picture)
        print(f"drawn: {chosen.picture}")
    if soak.wrong:
        print("\n".join(["this is wrong:", *soak.wrong]))
        return 1
    print("flat, and nothing is wrong")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
