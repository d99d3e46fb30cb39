"""The option ``--artifact-repository``, and the variable ``MONOPOD_ARTIFACT_REPOSITORY``.

Left to others: what crosses from group to group as an artifact (``compiler.grouping``).
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from monopod.runner.commands.options.parsed import argument, variable

if TYPE_CHECKING:
    from monopod.compiler.tasks.artifact_tasks import ArtifactRepository


def add_artifact_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--artifact-repository REPOSITORY``."""
    parser.add_argument(
        "--artifact-repository",
        type=argument(_parse),
        metavar="REPOSITORY",
        help="carry Workspaces without a claim from group to group as OCI artifacts in this repository: "
        "REGISTRY/REPOSITORY[,secret=NAME] (JobSet, Workflow, PipelineRun; default: $MONOPOD_ARTIFACT_REPOSITORY, then "
        "the annotation monopod.dev/artifact-repository)",
    )


def _parse(text: str) -> ArtifactRepository:
    """Return the repository that a text names. Raises ValueError."""
    from monopod.compiler.tasks.artifact_tasks import parse_repository  # noqa: PLC0415  # not needed for --help

    return parse_repository(text)


def chosen_repository(option: ArtifactRepository | None) -> ArtifactRepository | None:
    """Return the repository of the option, or of the environment. Raises Problems."""
    text = os.environ.get("MONOPOD_ARTIFACT_REPOSITORY")
    return option if option is not None or not text else variable("MONOPOD_ARTIFACT_REPOSITORY", text, _parse)
