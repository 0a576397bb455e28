"""A machine with a systemd of its own: a container over this machine's files, booted, and left as it was found.

Its files are an overlay, so what is written in it stays in memory. All mounts and processes are in namespaces whose
first process ends with this one, so that nothing stays mounted or running even when the tests are killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from supervisor.system import proc
from tests.support.waiting import until

REPOSITORY = Path(__file__).parent.parent.parent
INSIDE = Path("/opt/gunicorn-supervisor")
"""Where the repository is in the machine, with its environment."""
PYTHON = Path(sys.base_prefix if sys.base_prefix.startswith(("/usr", "/opt")) else "/opt/python")
"""Where this Python is in it: its own place may be a home directory, which services do not see."""
COMMAND_SECONDS = 240.0
_HOLDER = """
set -e
mount -t proc proc /proc
mount -t tmpfs -o mode=755 machine "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" machine "$1/root"
echo mounted
exec sleep infinity
"""
_JOIN = 'for each in $PLACES; do echo $$ >"$each/cgroup.procs"; done; exec "$@"'
_MASKED = ("dbus.service", "dbus.socket", "systemd-logind.service", "getty.target", "systemd-networkd.service")


class Machine:
    """One machine; :func:`machine` makes it."""

    def __init__(self, place: Path, holder: int) -> None:
        self._place = place
        self._holder = holder
        self._log = place.parent / "console.txt"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._groups = [group / f"machine-{os.getpid()}" for group in _own_groups()]
        self.root = Path(f"/proc/{holder}/root{place}/root")
        """Its files, from outside."""
        self.pid = 0
        """Its first process, as we see it."""

    # -- files -------------------------------------------------------------------------------------------------

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in it."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def furnish(self) -> None:
        """Only what the tests ask for is started in it."""
        system = self.root / "etc/systemd/system"
        for wanted in system.glob("*.wants/*"):
            wanted.unlink()
        for name in _MASKED:
            (system / name).unlink(missing_ok=True)
            (system / name).symlink_to("/dev/null")

    # -- life --------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Boot it; skips the test where no container can be booted."""
        binds = [f"--bind-ro={REPOSITORY}:{INSIDE}"]
        binds += [f"--bind-ro={sys.base_prefix}:{PYTHON}"] if str(PYTHON) != sys.base_prefix else []
        options = ["--quiet", "--register=no", "--keep-unit", "--private-network", "--link-journal=no", *binds]
        options += [f"--directory={self._place}/root", "--boot"]
        enter = ["nsenter", f"--target={self._holder}", "--mount", "--pid", f"--wd={self._place}"]
        for group in self._groups:
            group.mkdir(exist_ok=True)
        with self._log.open("ab") as log:
            self._nspawn = subprocess.Popen(
                ["sh", "-c", _JOIN, "join", *enter, "systemd-nspawn", *options],
                env={**os.environ, "PLACES": " ".join(map(str, self._groups))},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = until(self._first_process, "the container's first process", 30.0)
        until(self._is_up, f"the machine to boot; its console says:\n{self.console()}", 90.0, 0.05)
        if str(PYTHON) != sys.base_prefix:  # its libpython names the place that is hidden
            self.write("/etc/ld.so.conf.d/000-python.conf", f"{PYTHON}/lib\n")
            self.run("ldconfig")

    def _first_process(self) -> int:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            pytest.skip(f"systemd-nspawn cannot run here: {self.console().strip().splitlines()[-1:]}")
        return next((pid for pid in proc.descendants(self._nspawn.pid) if _begins_namespace(pid, 3)), 0)

    def _is_up(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            pytest.skip(f"systemd-nspawn cannot run here: {self.console().strip().splitlines()[-1:]}")
        return self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def power_off(self) -> None:
        """Shut it down in good order."""
        assert self._nspawn is not None
        self.run("systemctl poweroff --no-block")
        self._nspawn.wait(COMMAND_SECONDS)
        self._nspawn = None

    def close(self) -> None:
        """End it in any case."""
        nspawn, self._nspawn = self._nspawn, None
        try:
            if nspawn is not None:
                self._end(nspawn)
        finally:
            for group in self._groups:
                _remove(group)

    def _end(self, nspawn: subprocess.Popen[bytes]) -> None:
        try:
            if nspawn.poll() is None:
                self.run("systemctl poweroff --force --no-block", check=False)
                nspawn.wait(30.0)
        finally:
            if nspawn.poll() is None:
                for pid in [self.pid, nspawn.pid]:  # with its first process, all the others of a container end
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                nspawn.wait(10.0)

    def console(self) -> str:
        """What it has said while it booted."""
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    # -- acting in it ------------------------------------------------------------------------------------------

    def run(self, command: str, *, check: bool = True, timeout: float = COMMAND_SECONDS) -> CompletedText:
        """Run a line of shell in it, as root; AssertionError with what it printed when it fails."""
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--all", "sh", "-ec", f"cd {INSIDE}; {command}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={"PATH": f"{PYTHON}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command!r} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
        return done

    def prop(self, unit: str, name: str) -> str:
        """A property of a unit, as ``systemctl show`` has it."""
        return self.run(f"systemctl show --value -p {name} {unit}").stdout.strip()

    def journal(self, unit: str, lines: int = 60) -> str:
        """The end of a unit's log."""
        return self.run(f"journalctl -q --no-pager -o cat -n {lines} -u {unit}", check=False).stdout


CompletedText = subprocess.CompletedProcess[str]


def _begins_namespace(pid: int, depth: int) -> bool:
    """Whether it is the first process of a process namespace, so many deep as seen from outside of all of ours."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return len(numbers) == depth and numbers[-1] == "1"
    return False


def _own_groups() -> list[Path]:
    """The control groups of this process in which systemd keeps account of services.

    systemd-nspawn puts what it boots into groups that have the same names for all, so each needs a place of its own.
    """
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    names = [line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = {controllers: path for controllers, path in names if controllers in ("", "name=systemd")}
    found: list[Path] = []
    for _, place, kind, options, *_ in mounts:
        name = "" if kind == "cgroup2" else "name=systemd" if "name=systemd" in options.split(",") else None
        if kind in ("cgroup", "cgroup2") and name in own:
            found.append(Path(place + own[name].rstrip("/")))
    return found


def _remove(group: Path) -> None:
    """Remove a group and those in it, which the kernel lets go of when their last process is reaped."""

    def gone() -> bool:
        for path in sorted([group, *group.rglob("*/")], key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):
                path.rmdir()
        return not group.exists()

    until(gone, f"the end of {group}", 20.0)


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine that is not booted yet; the test is skipped, with the reason, where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("only root may boot a container")
    for program in ("systemd-nspawn", "nsenter", "unshare", "setpriv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: scripts/debian-install systemd-container util-linux)")
    for group in _own_groups():
        for stale in group.glob("machine-*"):  # of tests that were killed, who left nothing else
            if not Path("/proc", stale.name.partition("-")[2]).exists():
                _remove(stale)
    place = folder / "machine"
    place.mkdir()
    unshare = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation=private"]
    unshare += ["--pid", "--fork", "--kill-child=KILL"]
    holder = subprocess.Popen(
        [*unshare, "sh", "-c", _HOLDER, "holder", str(place)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline().strip() != "mounted":
            pytest.skip(f"nothing can be laid over this machine's files: {holder.stderr.read().strip()}")
        (first,) = (pid for pid in proc.children(holder.pid) if _begins_namespace(pid, 2))
        made = Machine(place, first)
        try:
            yield made
        finally:
            made.close()
    finally:
        holder.kill()
        holder.communicate()
