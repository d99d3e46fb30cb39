"""YAML documents that a command writes: to standard output, or to a file that is replaced as a whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from monopod.compiler.documents.yaml_text import to_yaml
from monopod.runner.display.ci_log import write_yaml


def write_documents(documents: Sequence[dict[str, Any]], output: str | None) -> None:
    """Write documents to the file `output`, or to standard output if it is None or ``-``. Raises OSError."""
    if output in (None, "-"):
        write_yaml(documents)
    else:
        assert output is not None
        _write_whole(output, "---\n".join(map(to_yaml, documents)))


def _write_whole(path: str, text: str) -> None:
    """Replace a file atomically: readers see either the old or the new content. Raises OSError.

    An existing path that is not a regular file (/dev/stdout, a FIFO) is written to directly.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return
    target = os.path.realpath(path)  # a symbolic link stays one
    descriptor, temporary = _temporary_beside(target, path)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, _mode_of(target))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _temporary_beside(target: str, named: str) -> tuple[int, str]:
    import tempfile  # noqa: PLC0415  # not needed to write to standard output

    try:
        return tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(target))
    except OSError as error:
        raise OSError(error.errno, error.strerror, named) from error


def _mode_of(path: str) -> int:
    """Return the permissions of a file, or the permissions that a new file would get."""
    try:
        return os.stat(path).st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
