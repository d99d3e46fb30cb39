"""What runs the examples of teams on a machine without Go and Redis, and beside other runs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

STAND_INS = [
    *("-p", "older=python:3.12-slim", "-p", "newer=python:3.12-slim", "-p", "database-image=python:3.12-slim"),
    *("-p", "test=python3,stand-ins/visits_test.py", "-p", "database=python3,stand-ins/database.py"),
]
"""Options for go-matrix: Python programs instead of its tests and its database."""


def free_port() -> int:
    """Return a port that no program of this machine uses."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
    return port


def options_of_teams(folder_of: Callable[[str], str], directory: Path) -> dict[str, list[str]]:
    """Return the options of each example, by its name.

    `folder_of` returns the binding of the Workspace with the files of an example. A key is written to `directory`.
    """
    key = directory / "signing-key"
    key.write_text("only-an-example")
    further = {
        "service-ci": ["-p", f"port={free_port()}"],
        "go-matrix": STAND_INS,
        "monorepo": [],
        "release": ["-w", "dist=emptyDir", "--secret", f"signing/key=@{key}"],
        "nightly": ["-p", "shards=2"],
    }
    return {name: ["-w", f"source={folder_of(name)}", *options] for name, options in further.items()}
