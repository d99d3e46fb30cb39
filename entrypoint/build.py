"""Builds the entrypoint for every architecture that Kubernetes runs on, with the C compiler of the `ziglang` package.

Rules: used at build time only, by `setup.py`, before monopod can be imported: standard library alone. No libc is linked
(see `entrypoint.c`), so that a cold build of all takes about a second.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TARGETS = {
    "x86_64": "x86_64-linux-musl",
    "aarch64": "aarch64-linux-musl",
    "ppc64le": "powerpc64le-linux-musl",
    "s390x": "s390x-linux-musl",
    "armv7l": "arm-linux-musleabihf",
    "riscv64": "riscv64-linux-musl",
}
"""The machines, as `platform.machine()` names them, and zig's names for them."""

SOURCE = Path(__file__).with_name("entrypoint.c")

_FLAGS = [
    *("-std=c11", "-Wall", "-Wextra", "-Werror", "-Os"),
    *("-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-sanitize=all", "-fno-pic"),
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-ffunction-sections"),
]


def build(machine: str, output: Path, version: str) -> None:
    """Compile the entrypoint for `machine` (a key of `TARGETS`) into the file `output`.

    Raises CalledProcessError if the compiler refuses; it has said why.
    """
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[machine]]
    special = ["-marm"] if machine == "armv7l" else []
    object_file = output.with_suffix(".o")
    define = f'-DMONOPOD_VERSION="{version}"'
    subprocess.run([*compiler, *_FLAGS, *special, define, "-c", "-o", object_file, SOURCE], check=True)
    link = ["-nostdlib", "-static", "-s", "-Wl,--gc-sections", "-o", output, object_file]
    subprocess.run([*compiler, *link], check=True)
    object_file.unlink()


def build_all(folder: Path, version: str) -> list[Path]:
    """Compile the entrypoint for every machine into `folder`, as `entrypoint-<machine>`, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = []
    for machine in TARGETS:
        output = folder / f"entrypoint-{machine}"
        build(machine, output, version)
        outputs.append(output)
    return outputs
