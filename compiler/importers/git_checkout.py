"""The git checkout that a file is in: its commit, branch and remote, as Pipelines-as-Code names them.

Rules:

- git only reads, and only what is asked for, once. It has `_TIMEOUT` seconds for each answer.
- The checkout is the one around the file, also inside a git hook, whose environment may name another.
- The remote is ``origin``. An address for ssh is written as https, without credentials and without ``.git``.

Left to others: which variables there are (``pipelines_as_code``).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import cache

from monopod.compiler.remote.git_program import without_redirection
from monopod.compiler.remote.urls import browsable

_TIMEOUT = 10


class GitCheckout:
    """Answers about the checkout around a directory. Each raises ValueError with the reason if it has none."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._git = cache(self._run_git)  # files name the same variables many times

    def value(self, name: str) -> str:
        """Return the value of a variable of ``pipelines_as_code.OF_CHECKOUT``."""
        answers: dict[str, Callable[[], str]] = {
            "revision": lambda: self._git("rev-parse", "--verify", "HEAD"),
            "source_branch": self._branch,
            "target_branch": self._branch,
            "git_tag": lambda: self._git("tag", "--points-at", "HEAD").partition("\n")[0],
            "sender": self._sender,
            "repo_url": lambda: self._url,
            "source_url": lambda: self._url,
            "repo_name": lambda: self._path[-1],
            "repo_owner": lambda: "/".join(self._path[:-1]),
        }
        return answers[name]()

    def _branch(self) -> str:
        branch = self._git("rev-parse", "--abbrev-ref", "HEAD")
        if branch == "HEAD":
            raise ValueError("no branch is checked out")
        return branch

    def _sender(self) -> str:
        try:
            return self._git("config", "user.name")
        except ValueError:
            raise ValueError("git has no user.name") from None

    @property
    def _url(self) -> str:
        self._git("rev-parse", "--git-dir")
        try:
            return browsable(self._git("remote", "get-url", "origin"))
        except ValueError:
            raise ValueError(f"the git checkout of '{self._directory}' has no remote 'origin'") from None

    @property
    def _path(self) -> list[str]:
        path = self._url.removeprefix("https://").partition("/")[2]
        if "://" in self._url and not self._url.startswith("https://"):
            raise ValueError(f"the remote 'origin' is '{self._url}', which has no owner")
        return path.split("/")

    def _run_git(self, *arguments: str) -> str:
        command = ["git", "-C", self._directory, *arguments]
        try:
            done = subprocess.run(
                command,
                env=without_redirection(os.environ),
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT,
            )
        except OSError as error:
            raise ValueError(f"cannot run git: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            raise ValueError(f"git did not finish within {_TIMEOUT} seconds") from None
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines()
            raise ValueError(reason[-1].removeprefix("fatal: ") if reason else f"git {arguments[0]} found nothing")
        return done.stdout.strip()
