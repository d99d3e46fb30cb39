"""Compiles the entrypoint (the C files in this folder) for every architecture, with the compiler of `ziglang`.

The build is freestanding and uses only libc's headers: compiling musl takes most of a minute for each architecture, the
entrypoint about a second. `setup.py` loads this file by its path before monopod is installed, so it imports only the
standard library.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = sorted(Path(__file__).parent.glob("*.c"))
BINARIES = Path(__file__).with_name("bin")

TARGETS = {
    "x86_64": "x86_64-linux-musl",
    "aarch64": "aarch64-linux-musl",
    "ppc64le": "powerpc64le-linux-musl",
    "s390x": "s390x-linux-musl",
    "armv7l": "arm-linux-musleabihf",
    "riscv64": "riscv64-linux-musl",
}
"""The compiler's target for each machine, by its name in `platform.machine()`."""

_COMPILE = [
    *("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-Os", "-ffreestanding", "-fno-builtin", "-fno-pic"),
    *("-fno-sanitize=all", "-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-ffunction-sections", "-fdata-sections"),
]
_LINK = ["-nostdlib", "-static", "-s", "-Wl,--gc-sections", "-Wl,--build-id=none"]


class BuildError(Exception):
    """The compiler is missing or failed. The message holds its output."""


def build(machine: str, output: Path, version: str = "unknown") -> None:
    """Build the static binary for `machine` (a key of TARGETS) as `output`. Raises BuildError or KeyError."""
    target = TARGETS[machine]
    with tempfile.TemporaryDirectory() as directory:
        linked = Path(directory, "entrypoint")
        objects = [str(Path(directory, f"{source.stem}.o")) for source in SOURCES]
        for source, compiled in zip(SOURCES, objects, strict=True):
            _compiler(directory, target, *_COMPILE, f'-DVERSION="{version}"', "-c", str(source), "-o", compiled)
        _compiler(directory, target, *_LINK, *objects, "-o", str(linked))
        content = linked.read_bytes()
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.chmod(0o755)
    temporary.replace(output)  # a running entrypoint keeps its file


def build_all(directory: Path = BINARIES, version: str | None = None) -> list[Path]:
    """Build `entrypoint-<machine>` for every machine in `directory` and return their paths. Raises BuildError."""
    outputs = [directory / f"entrypoint-{machine}" for machine in TARGETS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(build, TARGETS, outputs, [version or source_version()] * len(outputs)))
    return outputs


def source_version() -> str:
    """Return the version of monopod from its `__init__.py`."""
    text = Path(__file__).parent.with_name("__init__.py").read_text()
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return match[1] if match else "unknown"


def _compiler(cache: str, target: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *arguments]
    result = subprocess.run(
        command,
        env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},  # there may be no $HOME
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise BuildError(f"{' '.join(command)} failed with {result.returncode}:\n{result.stdout}")


if __name__ == "__main__":
    for path in build_all():
        print(path)
