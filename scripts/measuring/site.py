"""The web application that is measured: ASGI by Starlette, under Gunicorn with uvicorn's worker.

The same burning of CPU in each of the ways in which people do it beside a request.
"""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from scripts.measuring import workload
from scripts.measuring.workload import BURN
from supervisor import queue

_threads = ThreadPoolExecutor(2)


async def plain(request: Request) -> Response:
    """A request that submits nothing."""
    return PlainTextResponse("ok")


async def submit(request: Request) -> Response:
    """The same, with a submit."""
    return PlainTextResponse(await queue.asubmit(workload.noop))


async def burn(request: Request) -> Response:
    """Begin to burn CPU for a while, where ``in`` says."""
    match request.query_params["in"]:
        case "supervisor":
            await queue.asubmit(workload.burn, BURN)
        case "background":
            return PlainTextResponse("ok", background=BackgroundTask(workload.burn_plainly, BURN))
        case "threads":
            _threads.submit(workload.burn_plainly, BURN)
        case "celery":
            app: Any = importlib.import_module("scripts.measuring.celery_burn")
            await asyncio.to_thread(app.burn.delay, BURN)
    return PlainTextResponse("ok")


app = Starlette(routes=[Route("/plain", plain), Route("/submit", submit), Route("/burn", burn)])
