"""`monopod graph`: the DAG of a Pipeline's Tasks, as text, Mermaid, input of Graphviz or a picture."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Literal

from monopod.runner.commands.options.input import (
    add_file_options,
    add_run_options,
    compile_documents,
    placeholder_names,
)
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monopod.compiler.graph import Form
    from monopod.schemas.plan import Plan

SUMMARY = "draw the DAG of a Pipeline's Tasks"

EXAMPLES = """\
  monopod graph -f pipeline.yaml
  monopod graph -f pipeline.yaml -o pipeline.svg
  monopod graph -f pipeline.yaml --format mermaid >> README.md"""

_BY_SUFFIX = {".svg": "svg", ".png": "png", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid"}
_OF_TEXT = (".txt", ".text", ".md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--format",
        choices=("text", "mermaid", "dot", "svg", "png"),
        help="text, mermaid, dot (for Graphviz), or a picture (svg, png); by default the suffix of the output file "
        "decides, else text",
    )
    parser.add_argument(
        "-o", "--output", type=_file, metavar="FILE", help="write to this file instead of standard output"
    )


def _file(text: str) -> str | None:
    """Return the file to write; None for ``-``, as in other commands, and then standard output."""
    return None if text == "-" else text


def execute(arguments: argparse.Namespace) -> int:
    """Write the graph of each run. Raises Problems."""
    form: Any = arguments.format or _form_of(arguments.output or "")
    if form is None:
        suffixes = "use .txt, .svg, .png, .dot or .mmd, or choose with --format"
        print(f"monopod graph: unknown format: {visible(arguments.output)}; {suffixes}", file=sys.stderr)
        return WRONG_INPUT
    if form == "png" and arguments.output is None and sys.stdout.isatty():
        print("monopod graph: refusing to print PNG to a terminal; use -o FILE", file=sys.stderr)
        return WRONG_INPUT
    options = {**placeholder_names(), "unknown_params": True, "folders": "copied", "uses_images": False}
    plans = [compilation.plan for compilation in compile_documents(arguments, **options)]
    _write(_drawn(plans, form) if form in {"svg", "png"} else _written(plans, form, arguments), arguments.output)
    return SUCCEEDED


def _drawn(plans: Sequence[Plan], form: Literal["svg", "png"]) -> bytes:
    """Return a picture of the graphs."""
    from monopod.runner.reports.graph_picture import graph_picture, svg  # noqa: PLC0415  # not needed for text

    picture = graph_picture(plans)
    if form == "svg":
        return svg(picture).encode()
    from monopod.runner.reports.graph_png import png  # noqa: PLC0415  # Pillow is needed only here

    return png(picture)


def _written(plans: Sequence[Plan], form: Form, arguments: argparse.Namespace) -> bytes:
    """Return the graphs as text."""
    from monopod.compiler.graph import render  # noqa: PLC0415  # not needed for --help

    width = shutil.get_terminal_size().columns if arguments.output is None else None
    return "\n".join(render(plan, form, width) for plan in plans).encode()


def _form_of(output: str) -> str | None:
    """Return the format that the suffix of the output file selects; None if it is that of another format."""
    suffix = os.path.splitext(output)[1].lower()
    is_text = suffix in _OF_TEXT or not suffix[1:].isalpha()
    return _BY_SUFFIX.get(suffix, "text" if is_text else None)


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
