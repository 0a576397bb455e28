"""What the shop is given to do."""

from __future__ import annotations

import random
import threading
import time

from scripts.picturing import shop
from supervisor import TaskQueue, chain, group

_A_SECOND = 14


class Load(threading.Thread):
    """Submits as customers would, until it is stopped."""

    def __init__(self, queue: TaskQueue) -> None:
        super().__init__(daemon=True)
        self._queue = queue
        self._over = threading.Event()
        self._order = 4100

    def run(self) -> None:
        """Some orders each second, more and fewer by turns."""
        begun = time.monotonic()
        while not self._over.wait(random.expovariate(_A_SECOND * self._busyness(time.monotonic() - begun))):
            self._one()

    @staticmethod
    def _busyness(seconds: float) -> float:
        return 1.8 if seconds % 40 < 12 else 0.7

    def _one(self) -> None:
        self._order += 1
        order, queue = self._order, self._queue
        kind = random.random()
        if kind < 0.4:
            shop.receipt.on(queue).delay(order, f"customer{order}@example.com")
        elif kind < 0.6:
            shop.thumbnail.on(queue).delay(f"products/{order}.jpg", [160, 480, 960])
        elif kind < 0.8:
            shop.index.on(queue).delay(order)
        elif kind < 0.95:
            shop.capture_payment.on(queue).delay(order, random.randrange(900, 24_000))
        else:
            host = "hooks.example.net" if order % 4 == 0 else "hooks.example.com"
            shop.deliver.on(queue).delay(f"https://{host}/orders", "order.paid")

    def stop(self) -> None:
        """No more of it."""
        self._over.set()
        self.join(10.0)


def furnish(queue: TaskQueue) -> str:
    """What is there beside the stream of orders; the id of a task that runs for long."""
    shop.decode.on(queue).delay("uploads/broken.heic")
    shop.render.on(queue).delay("Q3 by region")
    running = shop.import_catalog.on(queue).delay("northwind", 2400, 110.0).id
    shop.sales_report.on(queue).delay("2026-10", 45.0)
    shop.sales_report.on(queue).options(delay=3600).delay("2026-11")
    queue.pause("newsletter")
    for number in range(14):
        shop.receipt.on(queue).options(queue="newsletter").delay(number, f"reader{number}@example.com")
    return running


def tree_of_tasks(queue: TaskQueue) -> str:
    """Tasks that wait for each other; the id of the one in the middle."""
    part = shop.export_part.on(queue)
    regions = [part.step("north", 0.2), part.step("south", 0.3), part.step("west", 90.0)]
    last = chain(group(*regions).then(shop.merge.on(queue).step()), shop.receipt.on(queue).step("team@example.com"))
    return last.delay().id
