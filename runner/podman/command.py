"""Runs podman commands and reads their output.

Rules: monopod runs the podman command on the PATH with the caller's configuration; it uses no podman service. The
standard error of a failed command becomes the text of an exception, without the prefixes of podman's log.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.signals import observed

OLDEST = (4, 3)
_VERSION = re.compile(r"(\d+)\.(\d+)")
_LOG_LINE = re.compile(r'^time="[^"]*" level=(?P<level>\w+) msg=(?P<message>.*)$')
_PROCESS_ENDED = re.compile(r"/proc/\d+/.*no such (?:process|file)")
_MOST_RACES = 5
_MOST_COMMANDS = 8
"""How many commands of podman run at the same time."""


class PodmanError(Exception):
    """A podman command failed. The text is podman's error message."""


class InterruptedPodmanError(BackendUnavailableError):
    """Ctrl-C ended a podman command."""


@dataclass(frozen=True, slots=True)
class Image:
    """The configuration of a local image: ``user`` is its USER, empty for root."""

    user: str


def check() -> None:
    """Raise BackendUnavailableError unless podman is installed, new enough, and runs containers on this machine."""
    reason = why_unusable()
    if reason is not None:
        raise BackendUnavailableError(f"{reason}; use --backend host, which needs nothing")


def is_installed() -> bool:
    """Return whether podman is on the PATH."""
    return shutil.which("podman") is not None


@functools.cache
def why_unusable() -> str | None:
    """Return why podman cannot run Pods on this machine; None if it seems to work. Only an installed podman is run."""
    if not is_installed():
        return "podman is not installed"
    try:
        information = json.loads(run("info", "--format", "json"))
    except (OSError, ValueError, PodmanError) as error:
        return f"podman does not work here: {error}"
    version = str(information["version"]["Version"])
    match = _VERSION.match(version)
    if match is not None and (int(match[1]), int(match[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return f"this is podman {version}; monopod needs {oldest} or later"
    if information["host"].get("serviceIsRemote"):
        return "podman runs its containers on another machine, where the files of a run are not"
    return None


def ask_why_unusable() -> Callable[[], str | None]:
    """Start `why_unusable` in a thread, since podman answers after half a second; return what waits for the answer."""
    pool = ThreadPoolExecutor(1)
    answer = pool.submit(why_unusable)
    pool.shutdown(wait=False)
    return answer.result


def run(*arguments: str, text: str | None = None, holds: Sequence[int] = ()) -> str:
    """Return what ``podman ARGUMENT...`` prints. Raises PodmanError.

    `text` is its standard input. Ctrl-C does not reach podman: the runner handles it. podman inherits the descriptors
    in `holds`, so that they stay open while it runs even if the runner is killed.
    """
    return _run(arguments, text, holds, is_interruptible=False)


def run_interruptibly(*arguments: str) -> str:
    """Return what ``podman ARGUMENT...`` prints; Ctrl-C stops it. Raises PodmanError, InterruptedPodmanError."""
    with observed(signal.SIGINT) as interrupts:
        try:
            return _run(arguments, None, (), is_interruptible=True)
        except PodmanError as error:
            if interrupts:
                raise InterruptedPodmanError(f"podman {arguments[0]} was interrupted") from error
            raise


def _run(arguments: Sequence[str], text: str | None, holds: Sequence[int], *, is_interruptible: bool) -> str:
    done = subprocess.run(
        ["podman", *arguments],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        start_new_session=not is_interruptible,
        pass_fds=holds,
        **({"stdin": subprocess.DEVNULL} if text is None else {"input": text}),
    )
    if done.returncode != 0:
        raise PodmanError(error_message(done.stderr) or f"podman {arguments[0]} ended with exit code {done.returncode}")
    return done.stdout


def error_message(stderr: str) -> str:
    """Return the error messages on podman's standard error as one line."""
    messages = []
    for line in stderr.splitlines():
        logged = _LOG_LINE.match(line)
        if logged is None:
            messages.append(line.removeprefix("Error: ").strip())
        elif logged["level"] in ("error", "fatal"):
            messages.append(_unquoted(logged["message"]))
    return "; ".join(dict.fromkeys(filter(None, messages)))


def _unquoted(message: str) -> str:
    try:
        return str(json.loads(message)).strip('"')
    except ValueError:
        return message.strip('"')


def inspect(kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what ``podman KIND inspect`` prints for each name. Raises PodmanError if one does not exist.

    podman fails if a container's process ends while podman reads its files in /proc. The command is then repeated.
    """
    if not names:
        return []
    for _ in range(_MOST_RACES):
        try:
            return _inspected(kind, names)
        except PodmanError as error:
            if not _PROCESS_ENDED.search(str(error)):
                raise
    return _inspected(kind, names)


def _inspected(kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    inspected: list[dict[str, Any]] = json.loads(run(kind, "inspect", *names))
    return inspected


def local_images(names: Iterable[str]) -> dict[str, Image]:
    """Return the images that exist on this machine, by the names in `names`.

    podman inspects all of them at once, and each with a command of its own only if some are missing: a command takes
    0.1 s.
    """
    names = tuple(names)
    with contextlib.suppress(PodmanError):
        inspected = inspect("image", names)
        if len(inspected) == len(names):
            return dict(zip(names, map(_image, inspected), strict=True))
    with ThreadPoolExecutor(_MOST_COMMANDS) as pool:
        found = zip(names, pool.map(_local_image, names), strict=True)
        return {name: image for name, image in found if image is not None}


def _local_image(name: str) -> Image | None:
    with contextlib.suppress(PodmanError):
        return _image(*inspect("image", [name]))
    return None


def _image(inspected: Mapping[str, Any]) -> Image:
    return Image((inspected.get("Config") or {}).get("User") or "")
