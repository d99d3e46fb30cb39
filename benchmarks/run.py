"""Measures speed and size and prints them beside their goals: ``python benchmarks/run.py [FIGURE...]`` (`make bench`).

Nothing is asserted: times depend on the machine and its load. The exit code is 1 if something could not be measured.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile

from figures import FIGURES
from measured_run import MeasurementError
from rich.console import Console
from rich.table import Table
from rich.text import Text

_VERDICTS = {True: Text("reached", "green"), False: Text("missed", "red"), None: Text("")}


def main(names: list[str]) -> int:
    """Measure these figures (none: all), print the table, and return the exit code."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        print(f"there is no figure {', '.join(unknown)}; available: {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed monopod has its bytecode
    table = Table("what", "measured", "goal", "")
    problems = []
    for name in names or FIGURES:
        print(f"measuring: {name}", file=sys.stderr)
        try:
            for figure in FIGURES[name]():
                table.add_row(figure.what, figure.measured, figure.goal, _VERDICTS[figure.reached])
        except MeasurementError as error:
            problems.append(f"{name}: {error}")
        table.add_section()
    print(_machine())
    Console().print(table)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"Linux {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as records:
        os.environ["XDG_STATE_HOME"] = records  # measured runs leave no records
        sys.exit(main(sys.argv[1:]))
