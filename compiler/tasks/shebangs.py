"""The first line of a script, ``#!INTERPRETER``, checked for mistakes that fail on every machine.

Rules (Linux execve(2)):

- The text after ``#!``, up to a blank, is a path. It is relative to the working directory and not searched on PATH.
- The carriage return of a Windows line ending is part of the path.

Left to others: whether the image has the interpreter, which the entrypoint reports when it cannot start the Step.
"""

from __future__ import annotations


def wrong_interpreter(script: str) -> str | None:
    """Return why the interpreter of a script cannot be started; None if there is no known reason."""
    if not script.startswith("#!"):
        return None
    line = script.split("\n", 1)[0][2:]
    if line.endswith("\r"):
        return f"the first line ends with a carriage return: '{_name(line)}\\r' would be started; write it with LF"
    words = line.split()
    if not words:
        return "the first line names no interpreter after #!; write #!/bin/sh"
    if "$(" in words[0] or words[0].startswith("/"):
        return None
    return f"the interpreter '{words[0]}' is not an absolute path; write #!/usr/bin/env {words[0]}"


def _name(line: str) -> str:
    words = line.split()
    return words[-1] if words else ""
