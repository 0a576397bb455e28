"""A booted machine with the application of docs/systemd.md installed, by the commands of that page."""

from __future__ import annotations

import json
import shlex
import signal
import sysconfig
import time
from pathlib import Path
from typing import Any

from tests.support.documents import DOCS, blocks, files
from tests.support.machine import INSIDE, REPOSITORY, Machine
from tests.support.waiting import until

PAGE = DOCS / "systemd.md"
HOME = "/srv/myapp"
DIR = "/var/lib/myapp/supervisor"
WAIT = 60.0
_GATE = "/var/lib/myapp/gate"
_HELD = """
import json, os, time
from myapp.tasks import nap
from supervisor import queue

def held():
    while not os.path.exists("{gate}"):
        time.sleep(0.01)

print(json.dumps([queue.submit(held), *[nap.delay(0).id for _ in range({naps})]]))
"""
_PROGRAMS = {
    "supervisor": "from supervisor.cli.main import main",
    "gunicorn": "from gunicorn.app.wsgiapp import run as main",
}


class Host:
    """The machine, and what tests do with the services on it. What is asked of it are its own words, not ours."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.units: tuple[str, ...] = ()
        """What was installed last, in the order in which it starts."""

    # -- installing --------------------------------------------------------------------------------------------

    def install_application(self) -> None:
        """The commands and the files of the page. No package is downloaded: pip finds what this environment has."""
        for line in _commands("The application"):
            self.machine.run(line)
            if " -m venv " in line:
                self._lend_packages()
        self.write_application()

    def _lend_packages(self) -> None:
        packages = INSIDE / Path(sysconfig.get_path("purelib")).relative_to(REPOSITORY)
        (place,) = (self.machine.root / HOME.lstrip("/") / ".venv/lib").glob("python3*/site-packages")
        (place / "lent.pth").write_text(f"{packages}\n{INSIDE}\n")
        for name, load in _PROGRAMS.items():
            text = f"#!{HOME}/.venv/bin/python\nimport sys\n{load}\nsys.exit(main())\n"
            self.machine.write(f"{HOME}/.venv/bin/{name}", text, 0o755)

    def write_application(self) -> None:
        """The files of the page, as they stand there."""
        for name, text in {"myapp/__init__.py": "", **files(PAGE)}.items():
            self.machine.write(f"{HOME}/{name}", text)

    def install(self, heading: str, *units: str, without: str = "", **drop_ins: str) -> None:
        """What the page says under a heading, in place of what was there, but for what it says of the unit ``without``;
        ``drop_ins`` are lines of [Service] for a unit.
        """
        self.uninstall()
        self.write_application()
        self.units = units
        for unit, lines in drop_ins.items():
            self.drop_in(unit.replace("_", "-"), lines)
        for text in _commands(heading):
            line = text.removesuffix(f" {without}") if text.startswith("systemctl enable") else text
            done = self.machine.run(line, check=False)
            assert done.returncode == 0, f"{line!r} failed: {done.stderr}; {self.told()}"

    def drop_in(self, unit: str, lines: str) -> None:
        """Lines for the [Service] of a unit; they hold from the next ``daemon-reload``."""
        self.machine.write(f"/etc/systemd/system/{unit}.service.d/test.conf", f"[Service]\n{lines}\n")

    def uninstall(self) -> None:
        """Stop and forget what was installed, and its queue."""
        if self.units:
            names = " ".join(self.units)
            self.machine.run(f"systemctl kill -s KILL {names} || true; systemctl disable -q --now {names}")
            self.machine.run(f"systemctl reset-failed {names} || true; cd /etc/systemd/system; rm -rf *.service.d")
            self.machine.run("rm -rf /var/lib/myapp; systemctl daemon-reload")
        self.units = ()

    # -- the application ---------------------------------------------------------------------------------------

    def python(self, code: str) -> Any:
        """What a line of Python prints as JSON, run as the application's user, beside the application."""
        inner = f"cd {HOME}; exec .venv/bin/python -c {shlex.quote(code)}"
        who = f"setpriv --reuid=myapp --regid=myapp --clear-groups env SUPERVISOR_DIR={DIR}"
        return json.loads(self.machine.run(f"{who} sh -c {shlex.quote(inner)}").stdout)

    def submit(self, *seconds: float) -> list[str]:
        """Submit naps; their ids."""
        found: list[str] = self.python(
            f"import json; from myapp.tasks import nap; print(json.dumps([nap.delay(s).id for s in {list(seconds)}]))"
        )
        return found

    def hold(self, naps: int) -> list[str]:
        """Submit a task that ends by :meth:`release`, and naps of no time behind it; the ids, once it runs."""
        code = _HELD.format(gate=_GATE, naps=naps)
        found: list[str] = self.python(code)
        self.wait_states(found, "running", *["queued"] * naps)
        return found

    def release(self) -> None:
        """Let it end."""
        self.machine.write(_GATE, "")

    def get(self, path: str) -> str:
        """What the web application answers."""
        code = "import json, urllib.request as u; "
        code += f"print(json.dumps(u.urlopen('http://127.0.0.1:8000{path}', timeout=30).read().decode()))"
        found: str = self.python(code)
        return found

    def states(self, ids: list[str]) -> list[str]:
        """The states of tasks."""
        found: list[str] = self.python(
            f"import json; from supervisor import queue; print(json.dumps([queue.state(i) for i in {ids}]))"
        )
        return found

    def wait_states(self, ids: list[str], *states: str) -> None:
        """Wait until these tasks are in these states, one of which stands for all."""
        wanted = list(states) * (len(ids) if len(states) == 1 else 1)
        until(lambda: self.states(ids) == wanted, f"{wanted}; {self.told()}", WAIT, 0.1)

    def records(self, ids: list[str]) -> list[dict[str, Any]]:
        """Of tasks that have ended: result, attempts."""
        code = "import json; from supervisor import queue; "
        code += f"found = [queue.wait(i, timeout={WAIT}) for i in {ids}]; "
        code += "print(json.dumps([{'state': r.state, 'result': r.result, 'attempt': r.attempt} for r in found]))"
        found: list[dict[str, Any]] = self.python(code)
        return found

    def variables(self, *names: str) -> list[str]:
        """Those of these environment variables that a task finds."""
        code = "import json, os; from supervisor import queue; "
        code += f"i = queue.submit(lambda: [n for n in {names} if n in os.environ]); "
        code += f"print(json.dumps(queue.wait(i, timeout={WAIT}).result))"
        found: list[str] = self.python(code)
        return found

    # -- the service -------------------------------------------------------------------------------------------

    def prop(self, name: str, unit: str = "") -> str:
        """A property of a unit, by default of the first."""
        return self.machine.prop(unit or self.units[0], name)

    def wait_prop(self, name: str, wanted: str, unit: str = "") -> None:
        """Wait until a property has this value."""
        until(
            lambda: self.prop(name, unit) == wanted,
            f"{name}={wanted} of {unit or self.units}; {self.told()}",
            WAIT,
            0.1,
        )

    def reboot_with_tasks(self, naps: int) -> list[str]:
        """Have tasks wait behind one that runs, reboot, and let all of it run; the ids."""
        ids = self.hold(naps)
        self.machine.power_off()
        self.release()
        self.machine.boot()
        for unit in self.units:
            self.wait_prop("ActiveState", "active", unit)
        return ids

    def wait_still(self, state: str, seconds: float) -> None:
        """Wait until the first unit has been in this state for so long."""
        self.wait_prop("ActiveState", state)
        until_then = time.monotonic() + seconds

        def still() -> bool:
            assert self.prop("ActiveState") == state, self.told()
            return time.monotonic() > until_then

        until(still, f"{state} for {seconds:g} s", WAIT, 0.1)

    def wait_status(self, part: str) -> str:
        """Wait until the status line has these words in it; the line."""

        def found() -> str:
            line = self.prop("StatusText")
            return line if part in line else ""

        return until(found, f"a status line with {part!r}; {self.told()}", WAIT, 0.1)

    def restarts(self) -> int:
        """How often systemd has started the first unit again by itself."""
        return int(self.prop("NRestarts"))

    def send(self, signum: int, *pids: int) -> None:
        """Send processes of the machine a signal, by the pids that they have inside."""
        self.machine.run(f"kill -{signal.Signals(signum).name.removeprefix('SIG')} {' '.join(map(str, pids))}")

    def status(self) -> dict[str, Any]:
        """What ``supervisor status`` says, asked by root; that it does not run, where no master answers."""
        command = f"{HOME}/.venv/bin/supervisor status --json --dir {DIR}"
        found: dict[str, Any] = json.loads(self.machine.run(command, check=False).stdout)
        return found

    def pids(self, role: str) -> list[int]:
        """The processes of a role, by the pids that they have inside, once a master answers."""
        found = until(lambda: self.status().get("processes"), f"a master that answers; {self.told()}", WAIT, 0.1)
        return [row["pid"] for row in found if row["role"] == role]

    def told(self) -> str:
        """What the services have written, for a test that fails."""
        logs = "".join(f"--- {unit}\n{self.machine.journal(unit)}" for unit in self.units)
        return f"the units say:\n{logs}"


def _commands(heading: str) -> list[str]:
    """The lines that the page has its reader type under a heading."""
    texts = [block.text for block in blocks(PAGE) if block.heading == heading and block.language == "text"]
    assert texts, f"{PAGE} has nothing to type under {heading!r}"
    return [line for text in texts for line in text.splitlines()]
