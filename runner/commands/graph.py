"""`monopod graph`: the DAG of a Pipeline's Tasks, for reading, for Markdown pages and for Graphviz."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.input_options import add_file_options, add_run_options, compile_documents

SUMMARY = "draw the DAG of a Pipeline's Tasks"

EXAMPLES = """\
  monopod graph -f pipeline.yaml
  monopod graph -f pipeline.yaml --format mermaid >> README.md
  monopod graph -f pipeline.yaml --format dot | dot -Tsvg > pipeline.svg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_run_options(parser)
    parser.add_argument(
        "--format",
        choices=("text", "mermaid", "dot"),
        default="text",
        help="text for a terminal (the default), or the language of Mermaid or of Graphviz",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the graph of each run. Raises Problems."""
    from monopod.compiler.graph import render  # noqa: PLC0415  # not needed for --help

    sys.stdout.write("\n".join(render(each.plan, arguments.format) for each in compile_documents(arguments)))
    return 0
