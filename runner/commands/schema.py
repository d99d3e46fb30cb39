"""`monopod schema`: the JSON Schema of the input, for editors."""

from __future__ import annotations

import argparse
import json
import sys

from monopod.runner.exit_codes import SUCCEEDED

SUMMARY = "print the JSON Schema of Tekton's kinds, for completion and checks in editors"

EXAMPLES = """\
  monopod schema > .tekton/schema.json

For editors with the YAML language server (VS Code, Vim, Emacs, Helix …), make this the first line of a file:
  # yaml-language-server: $schema=schema.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command, which has none."""


def execute(_arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from monopod.schemas.json_schema import json_schema  # noqa: PLC0415  # not needed for --help

    json.dump(json_schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    return SUCCEEDED
