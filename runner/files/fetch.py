"""What ``--fetch WORKSPACE[/PATH]:DIRECTORY`` means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fetch:
    """What is fetched: a path in a Workspace (empty: the whole Workspace), and the target directory."""

    workspace: str
    path: str
    directory: str

    def __str__(self) -> str:
        return f"{self.workspace}/{self.path}" if self.path else self.workspace


def parse_fetch(text: str) -> Fetch:
    """Return what a text means. Raises ValueError."""
    source, colon, directory = text.partition(":")
    workspace, _, path = source.partition("/")
    if not (workspace and colon and directory):
        raise ValueError(f"expected WORKSPACE[/PATH]:DIR, got {text!r}")
    return Fetch(workspace, path.strip("/"), directory)
