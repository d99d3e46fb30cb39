"""Builds what krew installs: an archive with `kubectl-monopod` for each architecture, and the manifest that lists them.

    python release/plugin.py archive WHEEL --arch amd64 --output DIRECTORY
    python release/plugin.py manifest --archives DIRECTORY --url URL --output monopod.yaml

Rules:

- An archive holds monopod and all its dependencies. It needs only a Python, of any of the versions in `PYTHONS`.
- Packages that are the same for all of these versions are stored once, in `lib/any`. The others, with extension
  modules, are in `lib/3.13` and so on.
- The same wheels give the same archive, byte for byte.

The workflow .github/workflows/release.yaml runs it.
"""

from __future__ import annotations

import argparse
import filecmp
import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "amd64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
}
"""The platforms of wheels that run on each architecture, by its name in Kubernetes."""
PROGRAM = Path(__file__).with_name("kubectl-monopod")
LICENSE = Path(__file__).parents[1] / "LICENSE"
_ANY = "any"


def main() -> int:
    """Run one of the two commands and return the exit code."""
    parser = argparse.ArgumentParser(prog="release/plugin.py", description="Build what krew installs.")
    commands = parser.add_subparsers(dest="command", required=True)
    archive = commands.add_parser("archive", help="build the archive for an architecture")
    archive.add_argument("wheel", type=Path)
    archive.add_argument("--arch", choices=PLATFORMS, required=True)
    archive.add_argument("--output", type=Path, required=True, metavar="DIRECTORY")
    listing = commands.add_parser("manifest", help="write the manifest for the archives in a directory")
    listing.add_argument("--archives", type=Path, required=True, metavar="DIRECTORY")
    listing.add_argument("--version", required=True)
    listing.add_argument("--url", required=True, help="where the archives are published")
    listing.add_argument("--homepage", required=True)
    listing.add_argument("--output", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.command == "archive":
        print(build_archive(arguments.wheel, arguments.arch, arguments.output))
    else:
        archives = {architecture: arguments.archives / archive_name(architecture) for architecture in PLATFORMS}
        content = yaml.safe_dump(
            manifest(arguments.version, arguments.url, arguments.homepage, archives), sort_keys=False, width=1000
        )
        arguments.output.write_text(content)
    return 0


def archive_name(architecture: str) -> str:
    """Return the file name of the archive for an architecture."""
    return f"kubectl-monopod-linux-{architecture}.tar.gz"


def build_archive(wheel: Path, architecture: str, output: Path, pythons: Sequence[str] = PYTHONS) -> Path:
    """Build the archive for an architecture and return its path. Raises CalledProcessError if pip fails."""
    output.mkdir(parents=True, exist_ok=True)
    path = output / archive_name(architecture)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "plugin")
        for python in pythons:
            _install(wheel, architecture, python, root / "lib" / python)
        _share(root / "lib", pythons)
        shutil.copy(PROGRAM, root / "kubectl-monopod")
        shutil.copy(LICENSE, root / "LICENSE")
        _pack(root, path)
    return path


def _install(wheel: Path, architecture: str, python: str, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
    command += ["--only-binary=:all:", "--python-version", python, "--target", str(target)]
    command += [word for platform in PLATFORMS[architecture] for word in ("--platform", platform)]
    subprocess.run([*command, str(wheel)], check=True)
    for scripts in target.glob("bin"):
        shutil.rmtree(scripts)


def _share(library: Path, pythons: Sequence[str]) -> None:
    """Move what is the same for all versions of Python to `any`."""
    first, *others = (library / python for python in pythons)
    shared = library / _ANY
    shared.mkdir()
    for entry in sorted(first.iterdir()):
        if all(_are_equal(entry, other / entry.name) for other in others):
            entry.rename(shared / entry.name)
            for other in others:
                duplicate = other / entry.name
                shutil.rmtree(duplicate) if duplicate.is_dir() else duplicate.unlink()


def _are_equal(one: Path, other: Path) -> bool:
    if not one.is_dir() or not other.is_dir():
        return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    if names != sorted(path.relative_to(other) for path in other.rglob("*")):
        return False
    return all((one / name).is_dir() or filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def _pack(root: Path, path: Path) -> None:
    """Write an archive that depends only on the names, the contents and the executable bits of the files."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for each in sorted(root.rglob("*")):
            member = tarfile.TarInfo(str(each.relative_to(root)))
            member.mode = 0o755 if each.is_dir() or each.stat().st_mode & 0o100 else 0o644
            if each.is_dir():
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
                continue
            member.size = each.stat().st_size
            with each.open("rb") as content:
                archive.addfile(member, content)


def manifest(version: str, url: str, homepage: str, archives: Mapping[str, Path]) -> dict[str, Any]:
    """Return the manifest of the plugin. `archives` are the archives by architecture, published below `url`."""
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "monopod"},
        "spec": {
            "version": f"v{version.removeprefix('v')}",
            "homepage": homepage,
            "shortDescription": "Run a Tekton Pipeline in one Pod",
            "description": "Runs a whole Tekton-format Pipeline in one Kubernetes Pod, and follows it to its end.\n"
            "Nothing is installed in the cluster.\n",
            "caveats": f"The plugin needs Python {PYTHONS[0]} or later as python3.\n",
            "platforms": [
                {
                    "selector": {"matchLabels": {"os": "linux", "arch": architecture}},
                    "uri": f"{url.rstrip('/')}/{archive.name}",
                    "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
                    "bin": "kubectl-monopod",
                }
                for architecture, archive in archives.items()
            ],
        },
    }


if __name__ == "__main__":
    sys.exit(main())
