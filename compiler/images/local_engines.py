"""Image configurations from the container engines on this machine: podman, docker and buildah.

Rules: engines inspect local images and pull nothing. The first engine that has the image counts. buildah is only used
without podman, with which it shares its images.

Left to others: the format of their output (``image_config``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from monopod.compiler.images.image_config import ConfigError, ImageConfig, read_config
from monopod.compiler.images.image_names import with_digest
from monopod.compiler.remote.image_name import ImageName
from monopod.system import foreign_json
from monopod.system.program import started

TIMEOUT = 20.0
"""The timeout of one command, in seconds."""

_COMMANDS = {
    "podman": ("image", "inspect"),
    "docker": ("image", "inspect"),
    "buildah": ("inspect", "--type", "image"),
}
_UNKNOWN = ("image not known", "no such image")
"""Parts of their messages about an image that they do not have."""


class EngineError(Exception):
    """An engine failed; the text is one line."""


def engines(environment: Mapping[str, str]) -> list[str]:
    """Return the engines on PATH."""
    names = [name for name in _COMMANDS if shutil.which(name, path=environment.get("PATH", os.defpath))]
    return [name for name in names if name != "buildah" or "podman" not in names]


def inspect(engine: str, text: str, name: ImageName, environment: Mapping[str, str]) -> ImageConfig:
    """Return the configuration of an image from an engine; `text` is its name as written.

    Raises EngineError.
    """
    reference = with_digest(text, name.digest) if name.digest else text  # not every engine accepts both tag and digest
    output = _run([engine, *_COMMANDS[engine], reference], environment)
    try:
        content = foreign_json.loads(output)
        config = content[0] if isinstance(content, list) and len(content) == 1 else content
        return read_config(config)
    except ValueError as error:
        raise EngineError("its output is not JSON") from error
    except ConfigError as error:
        raise EngineError(f"unexpected output: {error}") from error


def _run(command: list[str], environment: Mapping[str, str]) -> bytes:
    try:
        with started(command, {**environment, "LC_ALL": "C"}) as process:
            output, messages = process.communicate(timeout=TIMEOUT)
    except OSError as error:
        raise EngineError(f"cannot run it: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise EngineError(f"no answer after {TIMEOUT:g} seconds") from None
    if process.returncode:
        raise EngineError(_said(messages.decode("utf-8", "replace")))
    return output


def _said(messages: str) -> str:
    """Return why an engine failed: the last line of its standard error."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    if not lines:
        return "it failed without a message"
    if any(words in lines[-1].lower() for words in _UNKNOWN):
        return "no such image"
    return lines[-1].removeprefix("Error: ")
