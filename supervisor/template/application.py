"""Importing the application, and looking whether what it left open may be shared by forks."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Collection, Iterable

from supervisor import registry, task_hooks
from supervisor.directory import VARIABLE
from supervisor.launch import Spec
from supervisor.schedules import schedule
from supervisor.system.cpus import CpuPlan, plan_cpus
from supervisor.system.descriptors import sockets
from supervisor.wire.declared import Declared
from supervisor.wire.info import Info

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def prepare(spec: Spec) -> CpuPlan:
    """Make this process the application's: directory, import path, umask, threads of numerical libraries.

    Set before the import: numpy, for one, otherwise starts a thread a CPU as it is imported.
    """
    os.umask(spec.umask)
    os.chdir(spec.chdir)
    os.environ[VARIABLE] = str(spec.settings.dir)  # a task that submits a task finds its own supervisor
    sys.path[:0] = [path for path in (spec.chdir, *spec.python_path) if path not in sys.path]
    allowed = frozenset(os.sched_getaffinity(0))
    plan = plan_cpus(spec.settings.cpus, spec.settings.most_workers, allowed)
    threads = 1 if plan.pinned else max(1, len(allowed) // max(1, spec.settings.most_workers))
    for variable in _THREAD_VARIABLES:
        os.environ.setdefault(variable, str(threads))
    return plan


def load(modules: Iterable[str]) -> None:
    """Import the modules that hold the tasks; Django is set up first where its settings are named."""
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        importlib.import_module("django").setup()
    for module in modules:
        importlib.import_module(module)


def declared(spec: Spec, *, last: bool = True) -> Declared:
    """What the modules have declared as they were imported; ``last``: what comes after it is too late."""
    settings = spec.settings
    terms = Info(settings.payloads, settings.inline_limit, settings.payload_limit)
    return Declared(registry.table(), schedule.plans(terms, last=last), task_hooks.wanted())


def obstacles(before: Collection[str]) -> list[str]:
    """Why forking from this process is not safe, a sentence each: threads, and sockets but for those that were there
    ``before`` the import: our own, and under systemd standard output and error, which lead to its journal.
    """
    found: list[str] = []
    count = len(os.listdir("/proc/self/task"))
    if count > 1:
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        found.append(f"the import started {count - 1} thread(s) ({names or 'not Python’s'}), which a fork would lose")
    for descriptor, target in sockets().items():
        if target in before:
            continue
        found.append(f"the import opened a connection (descriptor {descriptor}, {target}), which forks would share")
    return found


def sources(most: int = 1000) -> dict[str, float]:
    """The files of the modules that are imported, but for installed ones, and when they were modified."""
    paths = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    outside = (sys.prefix, sys.base_prefix)
    ours = {path for path in paths if path and "site-packages" not in path and not path.startswith(outside)}
    return {path: os.stat(path).st_mtime for path in sorted(ours)[:most] if os.path.exists(path)}
