"""The supervisor under Gunicorn: three lines in ``gunicorn_config.py``, and hooks that keep the rest in step.

``attach`` itself does nothing but define hooks, since Gunicorn runs the config file often (``--check-config``, each
HUP). What the hooks do, and in which process:

=================  ===========  =====================================================================
on_starting        arbiter      settings checked; a second supervisor on the directory refused
when_ready         arbiter      the directory made; the guardian started, or (USR2) joined
on_reload          arbiter      a new generation of the code, before new web workers are forked
post_fork          web worker   CPUs; dies with the arbiter; knows its supervisor
post_worker_init   web worker   dies with the arbiter (again: a change of user clears that)
on_exit            arbiter      the tree drained, then gone
=================  ===========  =====================================================================
"""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, NoReturn

from supervisor.directory import VARIABLE
from supervisor.errors import SupervisorError
from supervisor.launch import Spec
from supervisor.settings import Settings
from supervisor.system.cpus import CpuPlan, plan_cpus
from supervisor.system.prctl import die_with_parent
from supervisor.taskqueue import queue
from supervisor.tree import Tree

Hook = Callable[..., Any]
_MARK = "__supervisor_hook__"
_HOOKS = ("on_starting", "when_ready", "on_reload", "post_fork", "post_worker_init", "on_exit")


def attach(config: MutableMapping[str, Any], **settings: Any) -> None:
    """Run the supervisor with this Gunicorn; call it as ``attach(globals(), tasks="myapp.tasks", …)``, last in the file.

    ``settings`` are those of the settings reference; environment variables win over them. Hooks that the file
    defines are kept and run first. Raises nothing: faults in settings stop Gunicorn when it starts, with a sentence.
    """
    attachment = _Attachment(settings)
    for name in _HOOKS:
        config[name] = _chain(config.get(name), getattr(attachment, name), name)


def web_cpus(**settings: Any) -> int:
    """How many CPUs the task workers leave for the web, by the environment and these settings."""
    loaded = Settings.load(attach=settings).settings
    return len(_plan(loaded).web)


def _plan(settings: Settings) -> CpuPlan:
    allowed = frozenset(os.sched_getaffinity(0))
    if settings.worker_count == 0:
        return CpuPlan(allowed, (), "no task workers here")
    return plan_cpus(settings.cpus, settings.worker_count, allowed)


def _chain(theirs: Hook | None, ours: Hook, name: str) -> Hook:
    """One hook that runs both. Gunicorn looks at the number of arguments, which therefore stays as it is."""
    theirs = getattr(theirs, _MARK, theirs)  # attached twice: only once

    if name in ("post_fork",):

        def with_worker(server: Any, worker: Any) -> None:
            if theirs is not None:
                theirs(server, worker)
            ours(server, worker)

        hook: Hook = with_worker
    else:

        def alone(server: Any) -> None:
            if theirs is not None:
                theirs(server)
            ours(server)

        hook = alone
    setattr(hook, _MARK, theirs)
    return hook


class _Attachment:
    """One run of the config file; what has to outlive it (HUP makes another) is in :data:`_tree`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._chosen = settings

    # -- arbiter -----------------------------------------------------------------------------------------------

    def on_starting(self, server: Any) -> None:
        spec = self._spec(server)
        self._warn_of_overwritten(server)
        if spec.settings.worker_count:
            try:
                Tree.check(spec)
            except SupervisorError as error:
                _refuse(server, error)

    def when_ready(self, server: Any) -> None:
        spec = self._spec(server)
        queue.use(spec.settings.dir)
        os.environ[VARIABLE] = str(spec.settings.dir)
        if not spec.settings.worker_count:
            server.log.info("supervisor: client only, of %s", spec.settings.dir)
            return
        plan = _plan(spec.settings)
        server.log.info("supervisor: %d task worker(s), %s", spec.settings.worker_count, plan.reason)
        try:
            _tree.begin(spec)
        except SupervisorError as error:
            _refuse(server, error)

    def on_reload(self, server: Any) -> None:
        spec = self._spec(server)
        queue.use(spec.settings.dir)
        if spec.settings.worker_count:
            _tree.reload(spec, server.log)

    def on_exit(self, server: Any) -> None:
        _tree.end(server.log)

    # -- web workers -------------------------------------------------------------------------------------------

    def post_fork(self, server: Any, worker: Any) -> None:
        _follow(worker.ppid)
        web = _plan(self._spec(server).settings).web
        if web and web != frozenset(os.sched_getaffinity(0)):
            os.sched_setaffinity(0, web)
        _tree.forget()

    def post_worker_init(self, worker: Any) -> None:
        _follow(worker.ppid)

    # -- inside ------------------------------------------------------------------------------------------------

    def _spec(self, server: Any) -> Spec:
        cfg = server.cfg
        home = Path(cfg.chdir)
        try:
            loaded = Settings.load(attach=self._chosen, directory=home)
        except SupervisorError as error:
            _refuse(server, error)
        for warning in loaded.warnings:
            server.log.warning("supervisor: %s", warning)
        umask = os.umask(0)
        os.umask(umask)
        pythonpath = [str(home / path) for path in (cfg.pythonpath or "").split(",") if path]
        return Spec(
            settings=loaded.settings,
            title=cfg.proc_name,
            chdir=str(home),
            python_path=tuple(pythonpath),
            uid=cfg.uid if cfg.uid != os.geteuid() else None,
            gid=cfg.gid if cfg.gid != os.getegid() else None,
            umask=umask,
            reload=bool(cfg.reload) or loaded.settings.reload,
        )

    def _warn_of_overwritten(self, server: Any) -> None:
        for name in _HOOKS:
            if not hasattr(getattr(server.cfg, name), _MARK):
                server.log.error(
                    "supervisor: the config file defines %s after attach(...), which switches ours off: call attach last",
                    name,
                )


def _follow(arbiter: int) -> None:
    """End with the arbiter, however it ends: uvicorn's and sync workers would otherwise go on, and keep the port.

    SIGKILL, since whoever would have enforced the graceful timeout is gone.
    """
    if not die_with_parent(arbiter):
        os._exit(0)


def _refuse(server: Any, error: SupervisorError) -> NoReturn:
    for line in str(error).splitlines():
        server.log.error("supervisor: %s", line)
    raise SystemExit(1)


_tree = Tree()
"""The tree that this process owns. It outlives a HUP, which runs the config file again."""
