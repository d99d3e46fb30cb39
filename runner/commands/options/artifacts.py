"""The option ``--artifact-repository``, and the variable ``MONOPOD_ARTIFACT_REPOSITORY``.

Left to others: what crosses from group to group as an artifact (``compiler.grouping``).
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monopod.compiler.tasks.artifact_tasks import ArtifactRepository


def add_artifact_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--artifact-repository REPOSITORY``."""
    parser.add_argument(
        "--artifact-repository",
        type=_artifact_repository,
        metavar="REPOSITORY",
        help="carry Workspaces without a claim from group to group as OCI artifacts in this repository: "
        "REGISTRY/REPOSITORY[,secret=NAME] (JobSet, Workflow, PipelineRun; default: $MONOPOD_ARTIFACT_REPOSITORY, then "
        "the annotation monopod.dev/artifact-repository)",
    )


def _artifact_repository(text: str) -> ArtifactRepository:
    """Return the repository that a text names. Raises ArgumentTypeError, which argparse reports."""
    from monopod.compiler.tasks.artifact_tasks import parse_repository  # noqa: PLC0415  # not needed for --help

    try:
        return parse_repository(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def chosen_repository(option: ArtifactRepository | None) -> ArtifactRepository | None:
    """Return the repository of the option, or of the environment. Raises Problems."""
    text = os.environ.get("MONOPOD_ARTIFACT_REPOSITORY")
    if option is not None or not text:
        return option
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.tasks.artifact_tasks import parse_repository  # noqa: PLC0415

    try:
        return parse_repository(text)
    except ValueError as error:
        raise Problems([Problem(None, f"MONOPOD_ARTIFACT_REPOSITORY: {error}", "invalid-value")]) from error
