"""A directory that a test shares with Steps: they report that they are running, and wait until they may continue."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

HERE = "printf x > /shared/there; "
"""A script that says that it is there."""
WAIT = HERE + "exec 3</shared/go; read line <&3; "
"""A script that says so, and waits."""


class Shared:
    """The directory, which Tasks made by `task` have at /shared, and its two FIFOs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        for name in ("there", "go"):
            os.mkfifo(path / name)
        self._there = os.open(path / "there", os.O_RDWR)
        self._go = os.open(path / "go", os.O_RDWR)

    def task(self, *scripts: str, **fields: Any) -> dict[str, Any]:
        """Return a PipelineTask of Steps with these scripts."""
        spec = {
            "volumes": [{"name": "shared", "hostPath": {"path": str(self.path)}}],
            "stepTemplate": {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]},
        }
        return {"scripts": list(scripts), "taskSpec": spec, **fields}

    def hear(self, count: int = 1) -> None:
        """Wait until this many Steps have reported that they are running."""
        while count > 0:
            count -= len(os.read(self._there, count))

    def go(self, count: int = 1) -> None:
        os.write(self._go, b"\n" * count)

    def close(self) -> None:
        os.close(self._there)
        os.close(self._go)
