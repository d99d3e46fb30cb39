"""Draws `live-view.svg`, the README's picture of a run: the live view of examples/python-ci, animated.

The events and lines are written down below, with times long enough for a person to follow. They pass through the real
display onto an emulated terminal, so the same code gives the same picture, byte for byte. `make screenshots` writes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from rich.console import Console

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

import pyte  # noqa: E402
from screen import Screen  # noqa: E402  # it is among the tests

from monopod.compiler.compilation import Options, compile_runs  # noqa: E402
from monopod.compiler.documents.documents import load  # noqa: E402
from monopod.runner.display.line_options import LineOptions  # noqa: E402
from monopod.runner.display.live import LiveDisplay  # noqa: E402
from monopod.runner.display.summary import Outcome, summarize  # noqa: E402
from monopod.runner.follow.follower import Follower  # noqa: E402
from monopod.runner.follow.usage import LoadMeter  # noqa: E402
from monopod.schemas.run_events import (  # noqa: E402
    RunEvent,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskStarted,
)

PICTURE = HERE / "live-view.svg"
COMMAND = "make demo"
NAME = "python-ci-run-31b60"
COLUMNS, ROWS = 80, 27
FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 12
START = 1_700_000_000.0
COMMIT = "a37ad9f65d1e00f42d5ae94da28f40d8a40da62e"
RESULTS = {
    "commit": COMMIT,
    "tests": "15 tests, 0 failed, 0 skipped",
    "artifact": "dist/mdlinks.pyz",
    "sha256": "d05a1d7add8192be3cbb6ca4b4f1a2d83a3b7f0b3f0f9a4a1f9a8e1bbd1c6f05",
}
COLOURS = {
    "default": "#d0d7de", "brightblack": "#7d8590", "red": "#ff7b72", "green": "#56d364", "brown": "#e3b341",
    "blue": "#79c0ff", "magenta": "#d2a8ff", "cyan": "#56d4dd", "white": "#f0f6fc",
    "brightcyan": "#7ee2e8", "brightmagenta": "#e2c5ff", "brightblue": "#a5d6ff",
}  # fmt: skip
"""The names are pyte's, whose yellow is brown."""


class StepRun(NamedTuple):
    """One Step of the run: when it ran, in seconds from the start, and the lines it wrote, with their times."""

    task: str
    step: str
    start: float
    end: float
    lines: tuple[tuple[float, str], ...]


RUN = (
    StepRun("clone", "fetch", 0.1, 0.7, ((0.6, "a37ad9f Check anchors too"), (0.6, "compared with nothing"))),
    StepRun("clone", "list-changes", 0.7, 0.9, ((0.8, "496 files changed"),)),
    StepRun("static-checks", "check", 0.9, 2.4, ((2.3, "8 files, 0 findings"),)),
    StepRun("unit-tests", "test", 0.9, 3.8, ((3.7, "15 tests, 0 failed, 0 skipped, 2.581 s"),)),
    StepRun("build", "build", 0.9, 3.0, ((2.9, "dist/mdlinks.pyz, 4202 bytes, sha256 d05a1d7add81"),)),
    StepRun("integration", "version", 3.8, 4.2, ((4.1, "mdlinks 1.0 (commit a37ad9f65d1e)"),)),
    StepRun("integration", "run", 4.2, 5.1, ((5.0, "114 links in 23 files checked, 0 broken"),)),
    StepRun("report", "report", 5.1, 5.3, ((5.2, "python-ci Succeeded"),)),
)
END = 5.3
HOLD = 5.0
"""Seconds that the last frame is shown for."""


def replay() -> Iterator[tuple[float, RunEvent | tuple[str, bytes]]]:
    """Yield the events and output of the run in order, each with its time."""
    fed: list[tuple[float, int, RunEvent | tuple[str, bytes]]] = []
    for task, group in groupby(RUN, key=lambda step: step.task):
        steps = list(group)
        first, last = steps[0].start, steps[-1].end
        fed.append((first, 1, TaskStarted(START + first, task, None, 0, task, {})))
        for name, step, start, end, lines in steps:
            container = f"{name}-{step}"
            fed.append((start, 2, StepStarted(START + start, name, None, 0, step, container)))
            fed += [(at, 3, (container, f"{line}\n".encode())) for at, line in lines]
            times = (START + start, START + end)
            finished = StepFinished(START + end, name, None, 0, step, container, 0, "Completed", "", *times, 0.1, 9000)
            fed.append((end, 0, finished))
        fed.append((last, 0, TaskFinished(START + last, task, None, 0, "Succeeded", "Succeeded", "")))
    yield 0.0, RunStarted(START, NAME, "default", "uid")
    yield from ((at, item) for at, _, item in sorted(fed, key=lambda entry: entry[:2]))
    message = "Tasks Completed: 6 (Failed: 0, Cancelled 0), Skipped: 0"
    status = {"results": [{"name": name, "value": value} for name, value in RESULTS.items()]}
    document = {"kind": "PipelineRun", "metadata": {"name": NAME}, "status": status}
    yield END, RunFinished(START + END, "Succeeded", "Succeeded", message, document)


class Terminal(Screen):
    """An emulated terminal that shows dim text in grey, since pyte knows no dim text."""

    def write(self, text: str) -> int:
        """Take what is written."""
        return super().write(re.sub(r"\x1b\[(?:2|2;(\d+)|(\d+);2)m", "\x1b[90m", text))

    def frame(self) -> tuple[str, ...]:
        """Return the rows that can be seen, each as the content of an SVG `text`."""
        return tuple(_row(self._screen.buffer[number], COLUMNS) for number in range(ROWS))


def _row(cells: dict[int, pyte.screens.Char], columns: int) -> str:
    spans, column = "", 0
    for look, group in groupby((cells[number] for number in range(columns)), key=lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in group)
        if text.strip():
            weight = ' font-weight="bold"' if look[1] else ""
            start = column + len(text) - len(text.lstrip())
            place = f'x="{start * CELL_WIDTH:g}" textLength="{len(text.strip()) * CELL_WIDTH:g}"'
            spans += f'<tspan {place} fill="{COLOURS[look[0]]}"{weight}>{escape(text.strip())}</tspan>'
        column += len(text)
    return spans


def frames() -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield each picture of the terminal, with the time since which it is shown."""
    terminal = Terminal(COLUMNS, ROWS)
    terminal.write(f"$ {COMMAND}\n")
    (compiled,) = compile_runs(load([str(REPOSITORY / "examples/python-ci/pipeline.yaml")]), Options())
    follower = Follower(compiled.plan)
    console = Console(
        file=terminal,
        width=COLUMNS,
        height=ROWS,
        color_system="standard",
        legacy_windows=False,
        force_terminal=True,
        highlight=False,
        _environ={},
    )
    display = LiveDisplay(console, follower, LineOptions(), LoadMeter())
    for tick, group in groupby(replay(), key=lambda fed: fed[0]):
        for _, item in group:
            for shown in follower.output(*item) if type(item) is tuple else follower.event(item):
                display.show(shown)
        if tick < END:
            display.refresh(START + tick)
            yield tick, terminal.frame()
    outcome = Outcome("Succeeded", "Succeeded", follower.finished.message if follower.finished else "")
    display.close(summarize(follower, outcome, START + END, None))
    yield END, terminal.frame()


def svg() -> str:
    """Return the picture: each different row once, and the frames beside each other as a film."""
    film = list(frames())
    rows = {row: f"r{number}" for number, row in enumerate(dict.fromkeys(row for _, rows in film for row in rows))}
    whole = END + HOLD
    width = round(COLUMNS * CELL_WIDTH + 2 * MARGIN)
    height = ROWS * CELL_HEIGHT + 2 * MARGIN
    steps = "".join(
        f"{at / whole:.3%}{{transform:translateX({-number * width}px)}}" for number, (at, _) in enumerate(film)
    )
    last = -(len(film) - 1) * width
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(COMMAND)}</title>",
        f"<style>text{{font:14px {FONTS};white-space:pre}}",
        f"@keyframes film{{{steps}to{{transform:translateX({last}px)}}}}",
        f".film{{transform:translateX({last}px)}}",
        f"@media(prefers-reduced-motion:no-preference){{.film{{animation:film {whole:g}s steps(1,end) infinite}}}}",
        "</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
        "<defs>",
        *(f'<text id="{name}">{row}</text>' for row, name in rows.items() if row),
        '</defs><g class="film">',
    ]
    for number, (_, shown) in enumerate(film):
        lines.append(
            f'<svg x="{number * width + MARGIN}" y="{MARGIN}" width="{width - MARGIN}" height="{height - MARGIN}">'
        )
        lines += [
            f'<use href="#{rows[row]}" y="{place * CELL_HEIGHT + 14}"/>' for place, row in enumerate(shown) if row
        ]
        lines.append("</svg>")
    return "\n".join([*lines, "</g></svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(svg())
