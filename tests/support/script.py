"""Scripts in processes of their own, as users write them: with ``__main__``, forks and event loops."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.command import environment
from tests.support.tree import RunningTree


def run_script(tree: RunningTree, code: str, *arguments: object, timeout: float = 60.0) -> str:
    """Run ``code`` as a file against this tree; what it printed. AssertionError when it did not end well."""
    path = tree.folder / f"script{len(list(tree.folder.glob('script*.py')))}.py"
    path.write_text(textwrap.dedent(code))
    return run_file(tree, path, *arguments, timeout=timeout)


def run_file(tree: RunningTree, path: Path, *arguments: object, timeout: float = 60.0) -> str:
    """The same, of a file that is there."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(path), *map(str, arguments)],
        cwd=tree.folder,
        env=environment({"SUPERVISOR_DIR": str(tree.dir)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
