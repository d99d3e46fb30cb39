"""What the user writes with ``--secret``: which Secret, which key, and where its value is.

============================  =========================================================================
``NAME/KEY=@FILE``            the key KEY is the content of FILE (``-``: standard input)
``NAME/KEY=env:VARIABLE``     the key KEY is the value of an environment variable
``NAME=env:VARIABLE``         the key has the name of the variable
``NAME=@FILE``                the key has the name of the file, as with ``kubectl … --from-file``
``NAME=@FILE.env``            each line KEY=VALUE is a key, as with ``--from-env-file``; also ``.env`` and ``.secrets``
``NAME=@DIRECTORY``           each file in it is a key
============================  =========================================================================

The value itself is refused: everybody sees the command lines of others in ``ps``, and shells keep them.

Pure.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from monopod.schemas.formats.object_names import key_problem, subdomain_problem

STANDARD_INPUT = "-"
_SHAPES = "NAME/KEY=env:VARIABLE or NAME/KEY=@FILE"


@dataclass(frozen=True, slots=True)
class SecretOption:
    """A value of ``--secret``. ``key`` is empty if it is not given; ``where`` is a path or a variable."""

    name: str
    key: str
    source: Literal["file", "variable"]
    where: str

    def __str__(self) -> str:
        """Return it as it was written."""
        target = f"{self.name}/{self.key}" if self.key else self.name
        return f"{target}={'@' if self.source == 'file' else 'env:'}{self.where}"


def parse_secret_option(text: str) -> SecretOption:
    """Return what ``--secret`` means. Raises ValueError with a message that does not repeat a value."""
    target, equals, source = text.partition("=")
    name, slash, key = target.partition("/")
    if not equals:
        raise ValueError(f"expected {_SHAPES}")
    if problem := subdomain_problem(name):
        raise ValueError(f"the name of the Secret: {problem}")
    if slash and (problem := key_problem(key)):
        raise ValueError(f"the key: {problem}")
    if source.startswith("@") and len(source) > 1:
        if source == f"@{STANDARD_INPUT}" and not key:
            raise ValueError(f"standard input needs a key: {name}/KEY=@-")
        return SecretOption(name, key, "file", source[1:])
    if source.startswith("env:") and len(source) > len("env:"):
        return SecretOption(name, key or source[4:], "variable", source[4:])
    raise ValueError(
        f"expected {_SHAPES}; a value on the command line is refused, because `ps` shows it to others and the shell's "
        f"history keeps it: set a variable, and write {target}=env:VARIABLE"
    )


def has_lines(path: str) -> bool:
    """Return whether a file has the name of a file with lines KEY=VALUE."""
    name = os.path.basename(path)
    return name.endswith((".env", ".secrets")) or name.startswith(".env.")
