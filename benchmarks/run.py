"""Measures speed and size and prints them beside their goals: ``python benchmarks/run.py [FIGURE...]`` (`make bench`).

The figure ``cluster`` needs a cluster: ``python benchmarks/run.py --context CONTEXT`` (`make bench-cluster`).

Nothing is asserted: times depend on the machine and its load. The exit code is 1 if something could not be measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from figures import FIGURES, Figure
from in_cluster import ClusterOptions, in_cluster
from measured_run import MeasurementError
from rich.console import Console
from rich.table import Table
from rich.text import Text

_VERDICTS = {True: Text("reached", "green"), False: Text("missed", "red"), None: Text("")}


def main(words: Sequence[str]) -> int:
    """Measure what the words say and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(FIGURES)} (default: all)")
    cluster = parser.add_argument_group("the figure of a cluster, which is measured instead of the others")
    cluster.add_argument("--context", help="the kubeconfig context of the cluster")
    cluster.add_argument("--namespace", default=ClusterOptions.namespace, help="default: %(default)s")
    cluster.add_argument("--image", default=ClusterOptions.image, help="the image of the Steps (default: %(default)s)")
    cluster.add_argument("--runs", type=int, default=ClusterOptions.runs, help="how often (default: %(default)s)")
    options = parser.parse_args(words)
    if options.context:
        target = ClusterOptions(options.context, options.namespace, options.image, options.runs)
        return measure({"cluster": partial(in_cluster, target)}, ["cluster"])
    return measure(FIGURES, options.figures or FIGURES)


def measure(figures: Mapping[str, Callable[[], Iterator[Figure]]], names: Iterable[str]) -> int:
    """Measure the figures of these names, print the table, and return the exit code."""
    unknown = [name for name in names if name not in figures]
    if unknown:
        print(f"there is no figure {', '.join(unknown)}; available: {', '.join(figures)}", file=sys.stderr)
        return 2
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed monopod has its bytecode
    table = Table("what", "measured", "goal", "")
    problems = []
    for name in names:
        print(f"measuring: {name}", file=sys.stderr)
        try:
            for figure in figures[name]():
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
