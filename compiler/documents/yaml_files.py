"""YAML and JSON files: read, decoded and parsed, each value with its place.

Rules:

- A file has at most `MAX_BYTES`; a larger one is not read. It is UTF-8.
- Nothing is raised: errors in a file are returned as problems.
- In a file of Pipelines-as-Code, ``{{ revision }}`` needs no quotes.

Left to others: parsing YAML (``yaml_tree``), the meaning of the values (``documents``, ``images.config_files``).
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import PurePath

from monopod.compiler.diagnostics import Position, Problem
from monopod.compiler.documents import yaml_tree
from monopod.compiler.documents.foreign_files import template_in
from monopod.compiler.documents.unquoted_placeholders import HiddenPlaceholders

MAX_BYTES = 10 * 1024 * 1024

_CONTROL = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_file(path: str) -> tuple[list[yaml_tree.Tree], list[Problem]]:
    """Return the values in a file, and its problems. A file without problems has at least one value."""
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > MAX_BYTES:
                return [], [_too_large(path, f"{status.st_size / 2**20:.1f} MiB")]
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return [], [unreadable(path, error)]
    return read_bytes(content, path)


def read_bytes(content: bytes, file: str) -> tuple[list[yaml_tree.Tree], list[Problem]]:
    """Return the values in the content of a file, and its problems, as `read_file` does."""
    if len(content) > MAX_BYTES:
        return [], [_too_large(file, f"more than {MAX_BYTES // 2**20} MiB")]
    text = _decode(content, file)
    if isinstance(text, Problem):
        return [], [text]
    may_be_pipelines_as_code = "{{" in text and _is_of_pipelines_as_code(text, file)
    placeholders = HiddenPlaceholders(text) if may_be_pipelines_as_code else None
    trees, problems = yaml_tree.parse(text, file, placeholders)
    if problems and (template := template_in(text)) is not None:
        start, message = template
        return [], [Problem(_end_of(text[:start], file), message, "foreign-file")]
    if not trees and not problems:
        problems = [Problem(Position(file), "the file is empty", "empty-file")]
    return trees, problems


def _is_of_pipelines_as_code(text: str, file: str) -> bool:
    """Return whether a text may have placeholders of Pipelines-as-Code without quotes."""
    in_directory = ".tekton" in PurePath(os.path.abspath(file)).parts
    return (in_directory or "pipelinesascode.tekton.dev/" in text) and template_in(text) is None


def unreadable(file: str, error: OSError) -> Problem:
    """Return the problem with a file that cannot be read."""
    return Problem(Position(file), error.strerror or str(error), "unreadable-file")


def _too_large(file: str, size: str) -> Problem:
    message = f"the file has {size}; the limit is {MAX_BYTES // 2**20} MiB"
    return Problem(Position(file), message, "file-too-large")


def _decode(content: bytes, file: str) -> str | Problem:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        message = f"this is not UTF-8: there is a byte 0x{content[error.start]:02x}"
        return Problem(_end_of(before, file), message, "encoding")
    if control := _CONTROL.search(text):
        message = f"YAML does not allow the character U+{ord(control[0]):04X}; is this a text file?"
        return Problem(_end_of(text[: control.start()], file), message, "encoding")
    return text


def _end_of(text: str, file: str) -> Position:
    """Return the position right after `text`."""
    lines = text.split("\n")
    return Position(file, len(lines), len(lines[-1]) + 1)
