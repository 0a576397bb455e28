"""The tasks of a small shop, which does enough for a dashboard to have something to show."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from contextlib import suppress

from supervisor import SoftTimeoutError, current_task, schedule, set_context, task

log = logging.getLogger("shop")


class CardDeclinedError(Exception):
    """The bank says no."""


@task(name="shop.mail.receipt", queue="mail", timeout=10)
def receipt(order: int, to: str) -> dict[str, object]:
    """Mails the bill."""
    time.sleep(random.uniform(0.02, 0.12))
    return {"order": order, "to": to, "accepted": True}


@task(name="shop.images.thumbnail", queue="images", timeout=20)
def thumbnail(path: str, sizes: list[int]) -> list[str]:
    """Makes small pictures of a large one."""
    until = time.monotonic() + random.uniform(0.05, 0.3)
    while time.monotonic() < until:
        time.sleep(0.01)
    return [f"{path}@{size}.webp" for size in sizes]


@task(name="shop.search.index", timeout=15)
def index(product: int) -> int:
    """Has a product found."""
    time.sleep(random.uniform(0.01, 0.06))
    return product


@task(name="shop.payments.capture", queue="payments", timeout=30, max_retries=1, retry_delay=0.5)
def capture_payment(order: int, cents: int) -> str:
    """Takes the money; a bank says no at times."""
    time.sleep(random.uniform(0.05, 0.2))
    if order % 9 == 0:
        raise CardDeclinedError(f"order {order}: the bank declined {cents / 100:.2f} EUR: insufficient funds")
    return f"ch_{order:06d}"


@task(name="shop.webhooks.deliver", max_retries=2, retry_delay=1, timeout=10)
def deliver(url: str, event: str) -> int:
    """Tells another site."""
    time.sleep(random.uniform(0.02, 0.1))
    if "example.net" in url:
        raise ConnectionError(f"{url} did not answer within 3 s")
    return 202


@task(name="shop.catalog.import", queue="imports", timeout=180, soft_timeout=160)
def import_catalog(supplier: str, rows: int, seconds: float) -> int:
    """Takes long, and tells how far it is."""
    set_context("supplier", supplier)
    set_context("file", f"/srv/incoming/{supplier}.csv")
    log.info("opened the file", extra={"supplier": supplier, "rows": rows})
    for row in range(1, rows + 1):
        current_task().progress(row, rows, f"row {row:,} of {rows:,}")
        parsed = time.monotonic() + 0.3 * seconds / rows
        while time.monotonic() < parsed:
            pass
        time.sleep(0.7 * seconds / rows)
        if row % (rows // 12) == 0:
            log.info("committed %d rows", row)
        if row % (rows // 4) == 17:
            log.warning("row %d has no price, kept the old one", row)
    return rows


@task(name="shop.reports.sales", queue="reports", timeout=60)
def sales_report(month: str, seconds: float = 3.0) -> dict[str, object]:
    """Sums up a month."""
    print(f"summing up {month}")
    time.sleep(seconds)
    return {"month": month, "orders": 18_204, "revenue": 1_204_331.25}


@task(name="shop.reports.render", queue="reports", timeout=2, max_retries=0)
def render(report: str) -> None:
    """Takes longer than it may."""
    time.sleep(60)


@task(name="shop.images.decode", queue="images", max_retries=0, crash_budget=1)
def decode(path: str) -> None:
    """Dies of a broken picture."""
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


@task(name="shop.export.part", queue="reports", timeout=120, soft_timeout=60)
def export_part(region: str, seconds: float = 0.3) -> str:
    """One part of an export, which is told to hurry and does not."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        with suppress(SoftTimeoutError):
            time.sleep(left)
    return region


@task(name="shop.export.merge", queue="reports", timeout=120)
def merge(regions: list[str]) -> int:
    """Puts the parts together."""
    return len(regions)


@schedule(cron="0 3 * * *", zone="Europe/Berlin", name="nightly sales")
@task(name="shop.reports.nightly")
def nightly() -> str:
    """Each night."""
    return "done"


@schedule(every=20, name="stock levels")
@task(name="shop.stock.refresh")
def stock() -> int:
    """Each 20 seconds."""
    time.sleep(0.2)
    return 4_120


@schedule(cron="0 8 * * 1-5", zone="Europe/London", name="supplier digest")
@task(name="shop.mail.digest")
def digest() -> str:
    """Each working day."""
    return "sent"
