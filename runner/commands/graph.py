"""`monopod graph`: the DAG of a Pipeline's Tasks, as text, Mermaid, Graphviz or a picture."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import Any

from monopod.runner.commands.options.input import (
    add_file_options,
    add_run_options,
    compile_documents,
    placeholder_names,
)
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

SUMMARY = "draw the DAG of a Pipeline's Tasks"

EXAMPLES = """\
  monopod graph -f pipeline.yaml
  monopod graph -f pipeline.yaml -o pipeline.svg
  monopod graph -f pipeline.yaml --format mermaid >> README.md"""

_BY_SUFFIX = {".svg": "svg", ".png": "png", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--format",
        choices=("text", "mermaid", "dot", "svg", "png"),
        help="text, mermaid, dot (Graphviz), or a picture drawn by Graphviz (svg, png); by default the suffix of the "
        "output file decides, else text",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Write the graph of each run. Raises Problems."""
    from monopod.compiler.graph import render  # noqa: PLC0415  # not needed for --help
    from monopod.runner.reports.graphviz import DrawingError, draw  # noqa: PLC0415

    options = {**placeholder_names(), "unknown_params": True, "folders": "copied", "uses_images": False}
    plans = [compilation.plan for compilation in compile_documents(arguments, **options)]
    form: Any = arguments.format or _form_of(arguments.output)
    if form in {"svg", "png"}:
        try:
            _write(draw([render(plan, "dot") for plan in plans], form), arguments.output)
        except DrawingError as error:
            print(visible_lines(f"monopod graph: {error}"), file=sys.stderr)
            return WRONG_INPUT
        return SUCCEEDED
    width = shutil.get_terminal_size().columns if arguments.output is None else None
    _write("\n".join(render(plan, form, width) for plan in plans).encode(), arguments.output)
    return SUCCEEDED


def _form_of(output: str | None) -> str:
    """Return the format that the suffix of the output file selects."""
    return next((form for suffix, form in _BY_SUFFIX.items() if (output or "").endswith(suffix)), "text")


def _write(content: bytes, output: str | None) -> None:
    if output is None:
        try:
            sys.stdout.write(content.decode())
        except UnicodeDecodeError:  # a picture
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
        return
    with open(output, "wb") as file:
        file.write(content)
