"""``supervisor metrics``: what Prometheus is told, once or for as long as it is wanted."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from supervisor.cli.place import find
from supervisor.cli.tasks import Span
from supervisor.log import configure
from supervisor.metrics import file
from supervisor.metrics.exporter import TERMINAL, Exporter, Ways
from supervisor.metrics.sources import Source
from supervisor.metrics.text import text_of
from supervisor.settings.endpoint import Endpoint


class _Listen(click.ParamType[str]):
    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        kind = Endpoint()
        try:
            return kind.read(value)
        except ValueError as error:
            self.fail(f"it must be {kind.expects}" + (f"; {error}" if str(error) else ""), param, ctx)


@click.command()
@click.option("--listen", type=_Listen(), help="Answer scrapes on this port of the machine, such as 127.0.0.1:9464.")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this file, for the node exporter; its name has to end in .prom.",
)
@click.option("--every", type=Span(), default="15", show_default=True, metavar="TIME", help="How often it is written.")
@click.option("--once", is_flag=True, help="Write the file once.")
@click.option("--dir", "chosen", metavar="DIR", help="The supervisor's directory. [.supervisor; SUPERVISOR_DIR]")
def metrics(chosen: str | None, listen: str | None, path: Path | None, every: float, *, once: bool) -> None:
    """Print metrics in Prometheus' format; or serve them, or write them into a file, until TERM or INT.

    A supervisor that does not run is no error: supervisor_up is 0 then.
    """
    source = Source(find(chosen))
    if listen is None and (path is None or once):
        text = text_of(source.look())
        source.close()
        if path is None:
            click.echo(text.decode(), nl=False)
        else:
            _write(path, text)
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL)
    configure("metrics", "info")
    exporter = Exporter(source, Ways(listen=listen, path=path, interval=every))
    exporter.listen()
    exporter.run(TERMINAL)
    exporter.close(ended=False)


def _write(path: Path, text: bytes) -> None:
    try:
        file.write(path, text)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
