"""Fractals of z → z² + c, computed point by point in pure Python and kept as PNG."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from docs.examples import png, store
from supervisor import current_task, task

ESCAPED = 16.0
"""Distance from the origin from which no point comes back; above the needed 2, for smooth colours."""
SHADES = 1024
PALETTES = {
    "dusk": ("0b1026", "27548f", "cfe3ee", "f0b35e", "3a1d3f"),
    "ember": ("140b12", "6e1f2f", "e0663a", "fbe3b0", "3d4a63"),
    "moss": ("0a1613", "1f5a4c", "a9cf9a", "f4efd8", "5a5132"),
}
"""Colours that run into each other, the last into the first."""
STAYED = bytes.fromhex("090b12")
"""The colour of a point that never escapes."""

Progress = Callable[[float, float | None, str], None]
Coordinate = Annotated[float, Meta(ge=-4, le=4)]


class View(Struct, frozen=True):
    """Which part of which fractal: the middle and the width of the window in the plane, and how fine."""

    kind: Literal["mandelbrot", "julia"] = "mandelbrot"
    x: Coordinate = -0.65
    y: Coordinate = 0.0
    span: Annotated[float, Meta(ge=1e-13, le=8)] = 3.4
    cx: Coordinate = -0.8
    cy: Coordinate = 0.156
    width: Annotated[int, Meta(ge=16, le=1600)] = 720
    iterations: Annotated[int, Meta(ge=10, le=5000)] = 250
    palette: Literal["dusk", "ember", "moss"] = "dusk"

    @property
    def height(self) -> int:
        """In pixels; pictures are 3:2."""
        return self.width * 2 // 3


@dataclass(frozen=True)
class Picture:
    """A rendered view."""

    file: str
    """The PNG, by its name in the store."""
    size: int
    view: View
    height: int


@task(name="render", timeout=60, max_retries=1)
def render(view: View) -> Picture:
    """Render a view to a PNG."""
    job = current_task()
    return paint(view, store.place(f"{job.id}.png"), job.progress)


def paint(view: View, target: Path, progress: Progress) -> Picture:
    """Write the picture of `view` to `target`; `progress` hears of each row."""
    with store.writing(target) as file:
        png.write(file, view.width, view.height, _rows(view, progress))
    return Picture(target.name, target.stat().st_size, view, view.height)


def _rows(view: View, progress: Progress) -> Iterator[bytes]:
    colours, step = _colours(view.palette), view.span / view.width
    left = view.x - view.span / 2
    for row in range(view.height):
        y = view.y - (row - view.height / 2) * step
        points = (complex(left + column * step, y) for column in range(view.width))
        yield b"".join(colours[shade] for shade in _shades(view, points))
        progress(row + 1, view.height, f"row {row + 1} of {view.height}")


def _shades(view: View, points: Iterator[complex]) -> Iterator[int]:
    if view.kind == "julia":
        constant = complex(view.cx, view.cy)
        return (escape(point, constant, view.iterations) for point in points)
    return (-1 if _inside(point) else escape(0j, point, view.iterations) for point in points)


def escape(z: complex, c: complex, iterations: int) -> int:
    """The shade of a point by the steps that it takes to escape, with the steps between; -1 if it stays."""
    for step in range(iterations):
        size = abs(z)
        if size > ESCAPED:
            smooth = step + 1 - math.log2(math.log2(size))
            return int(96 * math.sqrt(max(0.0, smooth))) % SHADES
        z = z * z + c
    return -1


def _inside(c: complex) -> bool:
    """Whether a point lies in the two largest parts of the Mandelbrot set, which would cost the most."""
    return abs(1 - (1 - 4 * c) ** 0.5) <= 1 or abs(c + 1) <= 0.25


def _colours(palette: str) -> list[bytes]:
    """A wheel of shades, and one more at the end, where -1 finds it."""
    stops = [bytes.fromhex(stop) for stop in PALETTES[palette]]
    return [*(_blend(stops, shade * len(stops) / SHADES) for shade in range(SHADES)), STAYED]


def _blend(stops: list[bytes], turn: float) -> bytes:
    at = int(turn)
    share = (1 - math.cos(math.pi * (turn - at))) / 2
    return bytes(round(a + (b - a) * share) for a, b in zip(stops[at], stops[(at + 1) % len(stops)], strict=True))
