"""What the engines for containers on this machine know of an image: podman, docker and buildah, whichever there are.

Rules: they are asked what they have, and pull nothing. The first that has the image counts. buildah is asked if there
is no podman, with which it shares its images.

Left to others: the shape of what they print (``image_config``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping

from monopod.compiler.images.image_config import ConfigError, ImageConfig, read_config
from monopod.compiler.images.image_names import with_digest
from monopod.compiler.remote.registry import ImageName
from monopod.system.program import started

TIMEOUT = 20.0
"""Seconds that one engine may take to answer."""

_COMMANDS = {
    "podman": ("image", "inspect"),
    "docker": ("image", "inspect"),
    "buildah": ("inspect", "--type", "image"),
}
_UNKNOWN = ("image not known", "no such image")
"""What they say of an image that they do not have."""


class EngineError(Exception):
    """Why an engine does not tell, in one line."""


def engines(environment: Mapping[str, str]) -> list[str]:
    """Return the engines that are on PATH."""
    names = [name for name in _COMMANDS if shutil.which(name, path=environment.get("PATH", os.defpath))]
    return [name for name in names if name != "buildah" or "podman" not in names]


def inspect(engine: str, text: str, name: ImageName, environment: Mapping[str, str]) -> ImageConfig:
    """Return the configuration of an image that an engine has; `text` is its name as it is written.

    Raises EngineError.
    """
    asked = with_digest(text, name.digest) if name.digest else text  # not every engine takes a tag beside it
    output = _run([engine, *_COMMANDS[engine], asked], environment)
    try:
        content = json.loads(output)
        found = content[0] if isinstance(content, list) and len(content) == 1 else content
        return read_config(found)
    except (ValueError, RecursionError) as error:
        raise EngineError("it prints something else than JSON") from error
    except ConfigError as error:
        raise EngineError(f"what it prints is not understood: {error}") from error


def _run(command: list[str], environment: Mapping[str, str]) -> bytes:
    try:
        with started(command, {**environment, "LC_ALL": "C"}) as process:
            output, messages = process.communicate(timeout=TIMEOUT)
    except OSError as error:
        raise EngineError(f"it cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise EngineError(f"no answer after {TIMEOUT:g} seconds") from None
    if process.returncode:
        raise EngineError(_said(messages.decode("utf-8", "replace")))
    return output


def _said(messages: str) -> str:
    """Return why an engine failed: the last line of its messages."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    if not lines:
        return "it failed without a word"
    if any(words in lines[-1].lower() for words in _UNKNOWN):
        return "it does not have it"
    return lines[-1].removeprefix("Error: ")
