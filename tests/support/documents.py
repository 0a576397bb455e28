"""The documentation as something that can be run: its files, its shell sessions, its Python sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"
README = DOCS.parent / "README.md"
_BLOCK = re.compile(r"^(#+ [^\n]*)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.py)\n")
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)#?([^)\s]*)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_VARIABLE = re.compile(r"SUPERVISOR_\w+")
_ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and the heading it stands under."""

    heading: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a shell session, and what it is said to print."""

    command: str
    output: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    heading = ""
    for title, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if title:
            heading = title.lstrip("# ")
        else:
            yield Block(heading, language, text)


def files(page: Path, *without: str) -> dict[str, str]:
    """The files of a page, by the name in the first line of each; but for those under the headings ``without``."""
    found = [block for block in blocks(page) if block.language == "python" and block.heading not in without]
    named = [(_FILE.match(block.text), block.text) for block in found]
    return {match[1]: text for match, text in named if match}


def assembled(page: Path) -> dict[str, str]:
    """The files of a page whose blocks build them up, each made of all blocks that begin with its name."""
    found: dict[str, str] = {}
    for block in blocks(page):
        match = _FILE.match(block.text)
        if match and block.language == "python":
            found[match[1]] = found.get(match[1], "") + block.text
    return found


def scripts(page: Path) -> list[str]:
    """The Python blocks of a page that belong to no file."""
    return [block.text for block in blocks(page) if block.language == "python" and not _FILE.match(block.text)]


def links(page: Path) -> list[tuple[str, str]]:
    """Where a page's links lead within the repository: (file, or empty for the page itself; heading, or empty)."""
    return _LINK.findall(page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link may name behind ``#``, made from headings as GitHub makes it."""
    titles = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def variables(page: Path) -> list[str]:
    """The environment variables of settings that a page names."""
    return _VARIABLE.findall(page.read_text(encoding="utf-8"))


def rows(page: Path) -> list[str]:
    """The words in code that begin the rows of a page's tables."""
    return _ROW.findall(page.read_text(encoding="utf-8"))


def column(page: Path, title: str) -> list[str]:
    """What is written as code in the columns of this title, in all tables of a page."""
    found: list[str] = []
    place = -1
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)] if line.startswith("|") else []
        if not cells:
            place = -1
        elif place < 0:
            place = cells.index(title) if title in cells else len(cells)
        elif place < len(cells):
            found += _CODE.findall(cells[place])
    return found


def steps(text: str) -> list[Step]:
    """The commands of a shell session."""
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    return [Step(command, output) for command, output in found]


class Session:
    """Knows which ids the page's stand for. In what is printed, ``…`` stands for anything."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def command(self, step: Step) -> str:
        """The command with the ids that there really are."""
        return _ID.sub(lambda found: self._ids.get(found[0], found[0]), step.command)

    def matches(self, step: Step, printed: str) -> bool:
        """Whether that was printed. Ids that are new are taken for those of the page."""
        pattern = re.escape(step.output.strip()).replace("…", ".*")
        shown = _ID.findall(step.output)
        for each in shown:
            pattern = pattern.replace(each, self._ids.get(each, "([0-9a-f]{32})"), 1)
        match = re.fullmatch(pattern, printed.strip(), re.DOTALL)
        if match is not None:
            self._ids.update(zip((each for each in shown if each not in self._ids), match.groups(), strict=True))
        return match is not None
