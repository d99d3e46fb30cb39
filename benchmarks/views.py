"""Measures private views: four views of a Workspace with many files, made at the same time, and what else one does.

    python benchmarks/views.py [--files 100000] [--bytes 4096] [DIRECTORY]

The rows compare time and space of: four views and their merges, as the Steps of a Pod make them; four copies with
``cp -a``; and one archive that is unpacked four times, as if it came from a registry on the same machine. DIRECTORY is
on the file system to measure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

VIEWS = ("amd64", "arm64", "ppc64le", "s390x")
PACKAGE = Path(__file__).parents[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=4096)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="views-", dir=arguments.directory))
    try:
        volume = directory / "volume"
        _fill(volume, arguments.files, arguments.bytes)
        print(f"{arguments.files:,} files of {arguments.bytes:,} bytes on {_file_system(directory)}")
        print(f"{'':34} {'seconds':>8} {'MB on disk':>11}")
        _views(directory, volume)
        _measure("four copies with cp -a", directory, lambda: _copies(directory, volume))
        _measure("one archive, unpacked four times", directory, lambda: _archive(directory, volume))
    finally:
        shutil.rmtree(directory)


def _fill(volume: Path, files: int, size: int) -> None:
    for number in range(files):
        path = volume / str(number // 100) / str(number)
        if number % 100 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(size))


def _file_system(directory: Path) -> str:
    return subprocess.run(
        ["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True
    ).stdout.strip()


def _measure(name: str, directory: Path, work: Callable[[], object]) -> None:
    os.sync()
    before, started = _used(directory), time.monotonic()
    work()
    seconds = time.monotonic() - started
    os.sync()
    print(f"{name:34} {seconds:8.1f} {(_used(directory) - before) / 1e6:11.1f}", flush=True)


def _used(directory: Path) -> int:
    status = os.statvfs(directory)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _views(directory: Path, volume: Path) -> None:
    (directory / "state").mkdir()
    (directory / "packages").mkdir()
    (directory / "packages/monopod").symlink_to(PACKAGE)
    for name in VIEWS:
        top = directory / name
        (top / "view").mkdir(parents=True)
        (top / "origin").symlink_to(volume)
        (top / "views").symlink_to(directory / "state")
    _measure("four views at the same time", directory, lambda: _all(directory, "copy"))
    for name in VIEWS:
        (directory / name / "view" / f"program-{name}").write_bytes(bytes(1_000_000))
    _measure("their merges", directory, lambda: _all(directory, "merge"))


def _all(directory: Path, command: str) -> None:
    program = (
        "import sys; from monopod.coordinator.workspaces import view; sys.exit(view.main(sys.argv[2:], sys.argv[1]))"
    )
    _run_at_once(
        [sys.executable, "-P", "-S", "-c", program, str(directory / name), command, "source", "", name]
        for name in VIEWS
    )


def _run_at_once(commands: Iterable[Sequence[str]]) -> None:
    processes = []
    for command in commands:
        path = next((Path(word).parent for word in command if Path(word).is_absolute() and Path(word).is_dir()), None)
        environment = {**os.environ, "MONOPOD_SLOT": command[-1], "PYTHONPATH": f"{path}/packages"}
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    if any(process.wait() for process in processes):
        raise SystemExit("a command failed")


def _copies(directory: Path, volume: Path) -> None:
    _run_at_once(["cp", "-a", "--reflink=never", str(volume), str(directory / f"copy-{name}")] for name in VIEWS)


def _archive(directory: Path, volume: Path) -> None:
    archive = str(directory / "archive.tar.gz")
    subprocess.run(["tar", "-czf", archive, "-C", str(volume), "."], check=True)
    for name in VIEWS:
        (directory / f"unpacked-{name}").mkdir()
    _run_at_once(["tar", "-xzf", archive, "-C", str(directory / f"unpacked-{name}")] for name in VIEWS)


if __name__ == "__main__":
    main()
