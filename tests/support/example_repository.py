"""A git repository with the application of examples/python-ci, which is the same to the last byte whenever it is made.

The example checks all links in its repository, so the repository has one page, and what that links to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "python-ci"
_WHO = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_WHEN = {f"GIT_{who}_DATE": "2020-02-02T20:20:20Z" for who in ("AUTHOR", "COMMITTER")}


def make_repository(folder: Path) -> None:
    """Make the repository in a new folder."""
    shutil.copytree(EXAMPLE, folder / "examples" / "python-ci", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "README.md").write_text("The [application](examples/python-ci/app) and its tests.\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "A change"]):
        git(folder, *words)


def git(folder: Path, *words: str) -> None:
    """Run git in a repository, without the configuration of the user."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **_WHO, **_WHEN}
    subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True)
