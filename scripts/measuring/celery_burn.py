"""The same burning as a Celery task, with Redis; imported where Celery is installed."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from scripts.measuring.workload import burn_plainly

app: Any = Celery("burn", broker=f"redis+socket://{os.environ.get('BENCH_REDIS', '')}")


@app.task(name="burn", ignore_result=True)
def burn(seconds: float) -> None:
    """Burn."""
    burn_plainly(seconds)
