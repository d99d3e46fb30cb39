"""`monopod convert`: write the Tekton v1 documents that files of other systems, or of older versions, mean."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.commands.options.input import add_files, load_documents
from monopod.runner.commands.options.params import add_params
from monopod.runner.exit_codes import SUCCEEDED
from monopod.runner.garbage_collection import without_garbage_collection

SUMMARY = "write Argo, Furiko, Knative, Triggers or v1beta1 documents as Tekton v1"

EXAMPLES = """\
  monopod convert -f workflow.yaml > pipelinerun.yaml
  monopod convert -f tekton/ -o tekton.yaml

Documents that need no conversion are written unchanged. Comments are lost."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_files(parser)
    add_params(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="write to this file instead of standard output")


@without_garbage_collection()
def execute(arguments: argparse.Namespace) -> int:
    """Write all documents, in their order. Raises Problems."""
    from monopod.runner.display.problem_report import print_problems  # noqa: PLC0415  # not needed for --help
    from monopod.runner.files.written_documents import write_documents  # noqa: PLC0415

    documents = load_documents(arguments)
    print_problems(documents.warnings, sys.stderr)
    write_documents([document.data for document in documents], arguments.output)
    return SUCCEEDED
