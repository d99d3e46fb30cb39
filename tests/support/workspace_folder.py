"""A folder to copy to a Workspace: files, a program, a link, an empty directory, and random data."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def make_folder(folder: Path, *, size: int) -> None:
    """Make the folder, with `size` bytes in the file ``large``."""
    (folder / "empty").mkdir(parents=True)
    (folder / "input").write_text("uncommitted\n")
    (folder / "script").write_text("#!/bin/sh\necho it runs\n")
    (folder / "link").symlink_to("input")
    (folder / "large").write_bytes(os.urandom(size))


def digest(folder: Path) -> str:
    """Return the SHA-256 of ``large`` as a line."""
    return hashlib.sha256((folder / "large").read_bytes()).hexdigest() + "\n"
