"""The supervisor under Gunicorn: three lines in ``gunicorn_config.py``, and hooks that keep the rest in step.

``attach`` itself does nothing but define hooks, since Gunicorn runs the config file often (``--check-config``, each
HUP). What the hooks do, and in which process:

=================  ===========  =====================================================================
on_starting        arbiter      settings checked; a second supervisor on the directory refused
when_ready         arbiter      the directory made; the guardian started, or (USR2) joined
on_reload          arbiter      a new generation of the code, before new web workers are forked; systemd is told
post_fork          web worker   CPUs; dies with the arbiter; knows its supervisor
post_worker_init   web worker   dies with the arbiter (again: a change of user clears that)
on_exit            arbiter      the tree drained, then gone; systemd waits for that
=================  ===========  =====================================================================
"""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, NoReturn

from gunicorn.config import validate_callable

from supervisor.announcer import Announcer
from supervisor.directory import VARIABLE, Directory
from supervisor.errors import SupervisorError
from supervisor.launch import Spec
from supervisor.settings import Settings
from supervisor.system.cpus import CpuPlan, plan_cpus
from supervisor.system.notify import NOBODY, Notifier
from supervisor.system.prctl import die_with_parent
from supervisor.tree import Tree

Hook = Callable[..., Any]
_MARK = "__supervisor_hook__"
_SETTINGS = "__supervisor_settings__"
_HOOKS = ("on_starting", "when_ready", "on_reload", "post_fork", "post_worker_init", "on_exit")


def attach(config: MutableMapping[str, Any], **settings: Any) -> None:
    """Run the supervisor with this Gunicorn; call it as ``attach(globals(), tasks="myapp.tasks")``, last in the file.

    ``settings`` are those of the settings reference; environment variables win over them. Hooks that the file
    defines are kept and run first. Faults in settings are no errors here: they stop Gunicorn when it starts, with a
    sentence. Raises TypeError for a hook that is named by an import path and cannot be imported.
    """
    attachment = _Attachment(settings)
    for name in _HOOKS:
        config[name] = _chain(config.get(name), getattr(attachment, name), name)
    setattr(config[_HOOKS[0]], _SETTINGS, settings)


def attached(cfg: Any) -> dict[str, Any] | None:
    """What the file behind this Gunicorn configuration gave to :func:`attach`; None where it did not call it."""
    return getattr(getattr(cfg, _HOOKS[0]), _SETTINGS, None)


def web_cpus(**settings: Any) -> int:
    """How many CPUs the task workers leave for the web, by the environment and these settings.

    All that there are, while the settings are at fault: Gunicorn says so when it starts.
    """
    try:
        return len(_plan(Settings.load(attach=settings).settings).web)
    except SupervisorError:
        return len(os.sched_getaffinity(0))


def _plan(settings: Settings) -> CpuPlan:
    allowed = frozenset(os.sched_getaffinity(0))
    if settings.worker_count == 0:
        return CpuPlan(allowed, (), "no task workers here")
    try:
        return plan_cpus(settings.cpus, settings.most_workers, allowed)
    except ValueError as error:  # they were taken away after the settings had been checked
        return CpuPlan(allowed, (), str(error))


def _chain(theirs: Hook | str | None, ours: Hook, name: str) -> Hook:
    """One hook that runs both. Gunicorn looks at the number of arguments, which therefore stays as it is."""
    found = getattr(theirs, _MARK, theirs)  # attached twice: only once
    first: Hook = _nothing if found is None else validate_callable(-1)(found)

    def with_worker(server: Any, worker: Any) -> None:
        first(server, worker)
        ours(server, worker)

    def alone(server: Any) -> None:
        first(server)
        ours(server)

    hook: Hook = with_worker if name == "post_fork" else alone
    setattr(hook, _MARK, found)
    return hook


def _nothing(*arguments: Any) -> None:
    """The hook of a file that defines none."""


class _Attachment:
    """One run of the config file; what has to outlive it (HUP makes another) is in :data:`_here`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._chosen = settings

    # -- arbiter -----------------------------------------------------------------------------------------------

    def on_starting(self, server: Any) -> None:
        self._warn_of_overwritten(server)
        try:
            spec = self._read(server, warn=True)
            if spec.settings.worker_count:
                Tree.check(spec)
        except SupervisorError as error:
            _refuse(server, error)

    def when_ready(self, server: Any) -> None:
        if not hasattr(server.cfg.on_starting, _MARK):
            self._warn_of_overwritten(server)
        try:
            spec = self._read(server)
            _here.spec = spec
            # What is forked and executed from here on finds it by this. The queue itself is not imported here: it
            # brings asyncio, which gevent's web workers must be able to import after they have patched the library.
            os.environ[VARIABLE] = str(spec.settings.dir)
            if spec.settings.worker_count:
                self._begin(server, spec)
            else:
                server.log.info("supervisor: client only, of %s", spec.settings.dir)
                self._warn_of_watchdog(server)
            _here.notifier.status(_status(spec))  # Gunicorn itself has said READY=1 just before
        except (SupervisorError, OSError) as error:
            _refuse(server, error)

    def on_reload(self, server: Any) -> None:
        """Nothing that goes wrong here may end the web server."""
        self._warn_of_overwritten(server)
        before = _here.spec
        if before is None:
            return  # our when_ready never ran
        _here.notifier.reloading("reloading")
        try:
            _here.spec = spec = self._read_again(server, before)
            if _here.tree.owned:
                _here.tree.reload(spec, server.log)
            elif spec.settings.worker_count:
                self._begin(server, spec)
        except (SupervisorError, OSError) as error:
            _complain(server, error)
        _here.notifier.ready(_status(_here.spec or before))

    def on_exit(self, server: Any) -> None:
        spec, heir = _here.spec, _here.tree.heir()
        if spec is None:
            return
        announcer = Announcer(_here.notifier, Directory(spec.settings.dir), spec.settings.heartbeat_timeout)
        if heir:
            _here.notifier.main_pid(heir)  # after USR2 the service goes on, with the arbiter that stays
        else:
            announcer.stopping()
        _here.tree.end(server.log, waiting=announcer.draining)

    # -- web workers -------------------------------------------------------------------------------------------

    def post_fork(self, server: Any, worker: Any) -> None:
        _follow(worker.ppid)
        web = _plan(_here.spec.settings).web if _here.spec else frozenset[int]()
        if web and web != frozenset(os.sched_getaffinity(0)):
            os.sched_setaffinity(0, web)
        _here.tree.forget()

    def post_worker_init(self, worker: Any) -> None:
        _follow(worker.ppid)

    # -- inside ------------------------------------------------------------------------------------------------

    def _begin(self, server: Any, spec: Spec) -> None:
        plan = _plan(spec.settings)
        server.log.info("supervisor: %d task worker(s), %s", spec.settings.worker_count, plan.reason)
        _here.tree.begin(spec)

    def _read_again(self, server: Any, before: Spec) -> Spec:
        """The settings after a HUP, or those before it where these cannot be had."""
        try:
            spec = self._read(server, warn=True)
        except SupervisorError as error:
            _complain(server, error)
            server.log.error("supervisor: the settings stay as they were")
            return before
        if _here.tree.owned and not spec.settings.worker_count:
            server.log.warning("supervisor: workers = 0 holds only after Gunicorn is started anew")
            return before
        return spec

    def _read(self, server: Any, *, warn: bool = False) -> Spec:
        """What Gunicorn's effective settings and ours come to."""
        cfg = server.cfg
        home = Path(cfg.chdir)
        loaded = Settings.load(attach=self._chosen, directory=home)
        for warning in loaded.warnings if warn else ():
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
            log=str(home / cfg.errorlog) if cfg.errorlog and cfg.errorlog != "-" else "",
            cpus=tuple(sorted(os.sched_getaffinity(0))),
            watchdog=_here.notifier if _here.notifier.watchdog_usec else NOBODY,
        )

    def _warn_of_watchdog(self, server: Any) -> None:
        if _here.notifier.watchdog_usec:
            server.log.warning(
                "supervisor: nobody feeds the watchdog of systemd for a Gunicorn that is client only: take WatchdogSec="
                " out of its unit"
            )

    def _warn_of_overwritten(self, server: Any) -> None:
        for name in _HOOKS:
            if not hasattr(getattr(server.cfg, name), _MARK):
                server.log.error(
                    "supervisor: the config file defines %s after attach(...), which switches ours off:"
                    " call attach last",
                    name,
                )


def _follow(arbiter: int) -> None:
    """End with the arbiter, however it ends: uvicorn's and sync workers would otherwise go on, and keep the port.

    SIGKILL, since whoever would have enforced the graceful timeout is gone.
    """
    if not die_with_parent(arbiter):
        os._exit(0)


def _status(spec: Spec) -> str:
    """For systemctl status. It stays as it is, so it says nothing that changes."""
    workers = spec.settings.worker_count
    return (
        f"Gunicorn, with {workers} task worker(s) in {spec.settings.dir}"
        if workers
        else (f"Gunicorn, client only of {spec.settings.dir}")
    )


def _refuse(server: Any, error: Exception) -> NoReturn:
    _complain(server, error)
    raise SystemExit(1)


def _complain(server: Any, error: Exception) -> None:
    for line in str(error).splitlines():
        server.log.error("supervisor: %s", line)


class _Here:
    """What belongs to this process and outlives a HUP, which runs the config file again."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.spec: Spec | None = None
        # After USR2 what systemd said was said to the arbiter that came before.
        self.notifier = Notifier.from_environment(successor="GUNICORN_PID" in os.environ)


_here = _Here()
