"""A git repository with the application of examples/python-ci, which is the same to the last byte whenever it is made.

The example checks all links in its repository, so the repository has one page, and what that links to.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from git_command import git

EXAMPLE = Path(__file__).parents[2] / "examples" / "python-ci"


def make_repository(folder: Path) -> None:
    """Make the repository in a new folder."""
    shutil.copytree(EXAMPLE, folder / "examples" / "python-ci", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "README.md").write_text("The [application](examples/python-ci/app) and its tests.\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "A change"]):
        git(folder, *words)
