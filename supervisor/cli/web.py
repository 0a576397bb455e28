"""``supervisor web``: the dashboard on its own."""

from __future__ import annotations

import click

from supervisor.cli.place import find
from supervisor.errors import SettingsError

_PORTS = 65535


@click.command()
@click.option("--dir", "chosen", metavar="DIR", help="The supervisor's directory. [.supervisor; SUPERVISOR_DIR]")
@click.option("--bind", default="127.0.0.1:8001", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option("--root-path", default="", metavar="PATH", help="Where a proxy has it, such as /supervisor.")
def web(chosen: str | None, bind: str, root_path: str) -> None:
    """Serve the dashboard, until TERM or INT, beside a supervisor that runs or not.

    Who may use it: SUPERVISOR_WEB_PASSWORD for operators, SUPERVISOR_WEB_VIEWER_PASSWORD for viewers. Without either
    it answers this machine only, and only shows.
    """
    host, port = _place(bind)
    import uvicorn  # noqa: PLC0415  its import is slow, and other commands do without it

    from supervisor.web import dashboard  # noqa: PLC0415

    app = dashboard(dir=find(chosen).path)
    click.echo(f"the dashboard is on http://{bind}{root_path}/", err=True)
    # Who asks is the peer: what a proxy says of others is not taken for it.
    uvicorn.run(
        app, host=host, port=port, root_path=root_path, log_level="warning", proxy_headers=False, access_log=False
    )


def _place(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or int(port) > _PORTS:
        raise SettingsError([f"--bind {bind} makes no sense: expected HOST:PORT, such as 127.0.0.1:8001 or [::1]:8001"])
    return host.strip("[]"), int(port)
