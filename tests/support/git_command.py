"""git without the configuration of the user, and with the same author and time for each commit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_WHO = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_WHEN = {f"GIT_{who}_DATE": "2020-02-02T20:20:20Z" for who in ("AUTHOR", "COMMITTER")}


def git(folder: Path, *words: str) -> str:
    """Run git in a folder and return its output, without the newline at the end."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **_WHO, **_WHEN}
    done = subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.removesuffix("\n")
