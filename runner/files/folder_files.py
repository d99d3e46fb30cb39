"""The files of a folder that are copied to a Workspace: all but those that .gitignore or .dockerignore exclude.

The directory .git is copied too, unless .dockerignore excludes it: Steps may need the history.
"""

from __future__ import annotations

import os

from monopod.runner.files.docker_ignore import DockerIgnore
from monopod.runner.files.git_ignore import GitIgnore
from monopod.system.files.tree_reading import Choice

_GIT = b".git"


class FolderFiles:
    """Decides which paths of a folder are copied. Walk the folder once with each (`choose`)."""

    def __init__(self, folder: str) -> None:
        self.has_excluded = False
        """Whether anything is left out so far."""
        self._git = GitIgnore(os.fsencode(folder))
        self._docker = DockerIgnore(_content(os.path.join(folder, ".dockerignore")))

    def choose(self, path: bytes, is_directory: bool) -> Choice:
        """Return whether a path is copied; a directory is asked for before what is in it."""
        choice = self._docker.choice(path, is_directory=is_directory)
        is_of_git = _GIT in path.split(b"/")
        if choice is not Choice.NO and not is_of_git and self._git.is_ignored(path, is_directory=is_directory):
            choice = Choice.NO
        self.has_excluded = self.has_excluded or choice is Choice.NO
        return choice


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
