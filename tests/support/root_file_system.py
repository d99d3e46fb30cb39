"""The root file system of a container image, a tar archive of programs of this machine and their libraries.

Rules:

- A program comes with the shared libraries that ``ldd`` finds, at the paths that they have here.
- All files belong to root and are readable by everybody, regardless of their owner and mode here.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import IO

_LIBRARY = re.compile(r"(?m)(?:=> |^\s+)(/\S+) \(0x")
_LEFT_OUT = {
    "__pycache__", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tkinter",
    "turtledemo",
}  # fmt: skip


class RootFileSystem:
    """Writes the archive to a binary stream; to be closed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._archive = tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT)  # noqa: SIM115  # `close` closes it
        self._names: set[str] = set()
        self.directory("/tmp", 0o1777)
        self.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nworker:x:1234:5678:a worker:/home/worker:/bin/sh\n")
        self.file("/etc/group", "root:x:0:\nworkers:x:5678:\n")

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Add a directory and its parents."""
        if path != "/" and path not in self._names:
            self.directory(os.path.dirname(path))
            self._add(path, tarfile.DIRTYPE, mode)

    def file(self, path: str, content: str, mode: int = 0o644) -> None:
        """Add a file with a text."""
        data = content.encode()
        if path not in self._names:
            self.directory(os.path.dirname(path))
            self._add(path, tarfile.REGTYPE, mode, io.BytesIO(data), len(data))

    def copy(self, source: str | Path, path: str = "") -> None:
        """Add a file of this machine, at its own path or another; the target of a link is copied instead of it."""
        path = path or str(source)
        if path in self._names:
            return
        self.directory(os.path.dirname(path))
        with open(source, "rb") as file:
            status = os.fstat(file.fileno())
            mode = 0o755 if status.st_mode & 0o100 else 0o644
            self._add(path, tarfile.REGTYPE, mode, file, status.st_size)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        if path not in self._names:
            self.directory(os.path.dirname(path))
            self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def programs(self, *names: str) -> None:
        """Add programs, found on the PATH, at /usr/bin, with their libraries."""
        self.link("/bin", "usr/bin")
        found = [(name, shutil.which(name)) for name in names]
        for name, path in found:
            assert path is not None, f"{name} is not on this machine"
            self.copy(path, f"/usr/bin/{name}")
        self.libraries_of(*(path for _, path in found if path is not None))

    def python(self) -> None:
        """Add this Python and its standard library, and /usr/bin/python3."""
        prefix = Path(sys.base_prefix)
        program = os.path.realpath(sys.executable)
        self.copy(program)
        self.link("/usr/bin/python3", program)
        library = Path(sysconfig.get_path("stdlib", vars={"installed_base": str(prefix)}))
        extensions = []
        for folder, folders, names in os.walk(library):
            folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("config-"))
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not name.endswith((".a", ".pyc")) and not name.startswith("_test") and os.path.isfile(path):
                    self.copy(path)
                    extensions += [path] if name.endswith(".so") else []
        self.libraries_of(program, *extensions)

    def libraries_of(self, *paths: str | Path) -> None:
        """Add the shared libraries that programs or libraries need."""
        done = subprocess.run(["ldd", *paths], check=False, capture_output=True, text=True)
        for path in dict.fromkeys(_LIBRARY.findall(done.stdout)):
            self.copy(path)

    def _add(
        self, path: str, kind: bytes, mode: int, data: IO[bytes] | None = None, size: int = 0, target: str = ""
    ) -> None:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, size, target
        self._archive.addfile(entry, data)
        self._names.add(path)
