"""Builds the runtime image (Containerfile) with podman, buildah or docker: `make image`.

Rules:

- The context contains only the runtime that Pods carry (``monopod.runtime``), under its digest, and the extension
  module for CEL. A Pod recognises the runtime by the digest, and unpacks nothing.
- The extension must fit the Python of the base image, whose version ``--python`` gives.
- The context contains the entrypoint of every architecture, so that one context serves a multi-platform build.

Run it with the Python in which monopod is installed. Documented in docs/runtime-image.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from monopod.entrypoint import binary
from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE
from monopod.runtime.bootstrap import MACHINES
from monopod.runtime.carried import ARCHITECTURES, PACKAGE, installed_runtime

CONTAINERFILE = Path(__file__).with_name("Containerfile")
BASE = "docker.io/library/python:3.13-slim"
BASE_PYTHON = "3.13"
ENGINES = ("podman", "buildah", "docker")


class BuildError(Exception):
    """The image cannot be built."""


def main() -> int:
    """Build the image and return the exit code."""
    parser = argparse.ArgumentParser(prog="make image", description="Build the runtime image.")
    parser.add_argument("--base", default=BASE, help=f"a base image with Python 3.11 or newer (default: {BASE})")
    parser.add_argument(
        "--python", default=BASE_PYTHON, help=f"the Python version of the base image (default: {BASE_PYTHON})"
    )
    parser.add_argument(
        "--libc", default="glibc", choices=("glibc", "musl"), help="the libc of the base image (default: glibc)"
    )
    parser.add_argument("--arch", default=_this_architecture(), choices=ARCHITECTURES, help="default: this machine's")
    parser.add_argument("--tag", default=RUNTIME_IMAGE, help=f"the name of the image (default: {RUNTIME_IMAGE})")
    parser.add_argument(
        "--context", metavar="DIRECTORY", help="only write what the Containerfile copies, and build nothing"
    )
    parser.add_argument("--engine", choices=ENGINES, help="default: the first that is installed")
    arguments = parser.parse_args()
    try:
        if arguments.context is not None:
            _write_context(Path(arguments.context), arguments)
            print(arguments.context)
            return 0
        engine = arguments.engine or _engine()
        with tempfile.TemporaryDirectory(prefix="monopod-image-") as context:
            _write_context(Path(context), arguments)
            _build(engine, Path(context), arguments.base, arguments.arch, arguments.tag)
    except (BuildError, FileNotFoundError) as error:
        print(f"make image: {error}", file=sys.stderr)
        return 1
    print(arguments.tag)
    return 0


def _write_context(context: Path, arguments: argparse.Namespace) -> None:
    """Write what the Containerfile copies. Raises BuildError, FileNotFoundError."""
    context.mkdir(parents=True, exist_ok=True)
    fill(context)
    if not add_cel(context / "library", arguments.python, arguments.libc, arguments.arch):
        print(
            f"there is no CEL for Python {arguments.python} with {arguments.libc} on {arguments.arch}: "
            "Pipelines with CEL expressions will fail with this image",
            file=sys.stderr,
        )


def fill(context: Path) -> None:
    """Write what the Containerfile copies, except CEL, to the directory. Raises FileNotFoundError."""
    runtime = installed_runtime()
    for architecture, machine in ARCHITECTURES.items():
        shutil.copy(binary.path(machine), context / f"entrypoint-{architecture}")
    for module in runtime.modules:
        target = context / "library/monopod" / module
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / module, target)
    (context / "digest").write_text(runtime.digest)
    for folder, _, names in os.walk(context):
        Path(folder).chmod(0o755)
        for name in names:
            Path(folder, name).chmod(0o644)


def add_cel(library: Path, python: str, libc: str, architecture: str) -> bool:
    """Add the extension module for CEL to the library; return whether there is one. Raises BuildError."""
    machine = ARCHITECTURES[architecture]
    system = {"glibc": ("manylinux_2_28", "manylinux_2_17", "manylinux2014"), "musl": ("musllinux_1_2",)}[libc]
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
        command += ["--target", directory, "--only-binary=:all:", "--python-version", python]
        command += [word for name in system for word in ("--platform", f"{name}_{machine}")]
        done = subprocess.run([*command, _requirement()], check=False, capture_output=True, text=True)
        if done.returncode != 0 and "No matching distribution" in done.stderr:
            return False
        if done.returncode != 0:
            raise BuildError(done.stderr.strip())
        (library / "cel").mkdir()
        for name in ["__init__.py", *(each.name for each in Path(directory, "cel").glob("*.so"))]:
            shutil.copy(Path(directory, "cel", name), library / "cel" / name)
    return True


def _requirement() -> str:
    """Return the installed version of the CEL library, so that check and run agree."""
    from importlib.metadata import version  # noqa: PLC0415

    return f"common-expression-language=={version('common-expression-language')}"


def _build(engine: str, context: Path, base: str, architecture: str, tag: str) -> None:
    command = [engine, *(("bud",) if engine == "buildah" else ("build",))]
    command += ["--file", str(CONTAINERFILE), "--tag", tag, "--build-arg", f"BASE={base}"]
    command += ["--build-arg", f"TARGETARCH={architecture}", "--network", "none"]
    if architecture != _this_architecture():
        command += ["--platform", f"linux/{architecture}"]
    done = subprocess.run([*command, str(context)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{engine} build failed:\n{done.stdout}{done.stderr}".rstrip())


def _engine() -> str:
    found = next((engine for engine in ENGINES if shutil.which(engine)), None)
    if found is None:
        raise BuildError(f"none of {', '.join(ENGINES)} is installed; install one of them")
    return found


def _this_architecture() -> str:
    return MACHINES.get(os.uname().machine, "amd64")


if __name__ == "__main__":
    sys.exit(main())
