"""Running ``git`` without prompts, hooks or a shell, and within limits of time and size.

Rules:

- The time limit covers all commands of one `Git`.
- The user's configuration applies (proxies, certificates, credential helpers). The configuration of a repository in the
  current directory does not.
- Only transports that cannot run programs are allowed: https, http, ssh, git, file.

Left to others: the commands and their output (``git_resolver``).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from monopod.compiler.remote.reference import TIMEOUT
from monopod.system.program import started

MAX_REPOSITORY_BYTES = 512 * 1024 * 1024
_LOOK_EVERY = 0.2
_REDIRECTING = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ASKPASS",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    "SSH_ASKPASS",
})  # fmt: skip
"""Variables that would point git to another repository (it sets some for its hooks) or let it prompt."""


def without_redirection(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for git without the variables that point it to another repository or let it prompt."""
    return {name: value for name, value in environment.items() if name not in _REDIRECTING}


class GitError(Exception):
    """git failed; the text is one line."""


@dataclass(frozen=True, slots=True)
class Git:
    """git in a directory of its own, until a deadline of the monotonic clock.

    `authorization` is the header for requests over HTTP.
    """

    directory: str
    environment: Mapping[str, str]
    deadline: float
    authorization: str = ""
    max_bytes: int = MAX_REPOSITORY_BYTES

    def run(self, *arguments: str, standard_input: bytes = b"") -> bytes:
        """Return git's standard output. Raises GitError."""
        options = ["-c", f"core.hooksPath={os.devnull}", "-c", "core.askPass=", "-c", "gc.auto=0"]
        environment = without_redirection(self.environment)
        environment |= {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
            "GIT_SSH_COMMAND": environment.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "GIT_CEILING_DIRECTORIES": os.path.dirname(os.path.realpath(self.directory)),
            "LC_ALL": "C",
        }
        if self.authorization:
            environment["MONOPOD_GIT_AUTHORIZATION"] = f"Authorization: {self.authorization}"
            options.append("--config-env=http.extraHeader=MONOPOD_GIT_AUTHORIZATION")
        try:
            with started(["git", *options, *arguments], environment, self.directory) as process:
                output, messages = self._communicate(process, standard_input)
        except OSError as error:
            raise GitError(f"cannot run git: {error.strerror}; install git") from error
        if process.returncode:
            raise GitError(_said(messages.decode("utf-8", "replace")))
        return output

    def _communicate(self, process: subprocess.Popen[bytes], standard_input: bytes) -> tuple[bytes, bytes]:
        unsent = standard_input or None
        while True:
            try:
                return process.communicate(unsent, timeout=_LOOK_EVERY)
            except subprocess.TimeoutExpired:
                unsent = None  # short enough for the pipe's buffer
                if time.monotonic() > self.deadline:
                    raise GitError(f"git did not finish within {TIMEOUT:g} seconds") from None
                if _size(self.directory) > self.max_bytes:
                    raise GitError(f"the repository is larger than {self.max_bytes / 2**20:g} MiB") from None


def _size(directory: str) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def _said(messages: str) -> str:
    """Return the line of git's messages with the reason, otherwise the last line."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith(("fatal: ", "error: ", "ERROR: ", "remote: "))]
    if not lines:
        return "git failed without a message"
    return (reasons or lines[-1:])[0].removeprefix("fatal: ").removeprefix("error: ")
