"""``supervisor doctor``: what is wrong with a journal, what can be saved of it, and how."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from supervisor.cli.checks import journal
from supervisor.cli.checks.finding import Verdict
from supervisor.cli.text import console, print_json
from supervisor.directory import Directory
from supervisor.journal.salvage import Saved, examine, salvage


@click.command()
@click.option("--dir", "folder", metavar="DIR", help="The supervisor's directory; default: SUPERVISOR_DIR.")
@click.option("--salvage", "new", metavar="FILE", type=click.Path(path_type=Path), help="Copy what can be read there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def doctor(ctx: click.Context, /, *, folder: str | None, new: Path | None, as_json: bool) -> None:
    """Look at the journal, and say what can be done where it is damaged.

    Only reads it, also beside a supervisor that runs. With --salvage what can be read is copied into a new journal,
    to be put in its place by hand once the supervisor is stopped. The exit code is 0 when it is sound.
    """
    path = Directory.find(folder).journal
    findings = list(journal.check(path))
    sound = all(each.verdict is not Verdict.FAULT for each in findings)
    tables = salvage(path, new) if new is not None else examine(path) if path.exists() and not sound else []
    if as_json:
        said = [{"verdict": each.verdict.value, "sentence": each.sentence} for each in findings]
        print_json(
            {"journal": str(path), "sound": sound, "findings": said, "tables": [asdict(each) for each in tables]}
        )
    else:
        for each in findings:
            console().print(
                f"{each.verdict.value}: {each.sentence}", style=None if sound else "bold red", highlight=False
            )
        if not findings:
            console().print(f"there is no journal at {path}", highlight=False)
        _show(tables)
        _advise(path, new, sound=sound)
    ctx.exit(int(not sound))


def _show(tables: list[Saved]) -> None:
    if not tables:
        return
    shown = Table("table", "rows that can be read", "places that cannot", "why", box=None)
    for each in tables:
        shown.add_row(each.table, f"{each.rows:,}", f"{each.lost:,}" if each.lost else "", each.reason)
    console().print(shown)


def _advise(path: Path, new: Path | None, *, sound: bool) -> None:
    if new is not None:
        tell = (
            f"What can be read is in {new}. To go on with it: stop the supervisor, then\n"
            f"  mv {path} {path}.damaged; rm -f {path}-wal {path}-shm; mv {new} {path}"
        )
    elif sound:
        return
    else:
        tell = (
            "Nothing was changed. Restore a backup, or save what can be read:\n"
            f"  supervisor doctor --dir {path.parent} --salvage {path.parent}/salvaged.db"
        )
    console().print(tell, highlight=False, soft_wrap=True)
