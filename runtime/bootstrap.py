"""Starts monopod in an image that holds only Python: the Pod carries this program, and in its arguments what it needs.

Usage: DIGEST NAME=DATA... run|install|hold [ARGUMENT...]

`coordinator=` is a zip archive of Python modules, `entrypoint-ARCH=` the program that runs the Steps. Both are xz in
base64; a name that comes again continues its data. `install` writes them to the Pod's volumes, `run` also runs the
coordinator, and `hold` waits until a coordinator runs in another container. An image that has DIGEST in
/monopod/runtime/digest needs neither: it has them.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib.machinery import ModuleSpec

MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


def main(root: str, digest: str, *words: str) -> int:
    """Prepare the runtime below a directory, run the coordinator if asked to, and return the exit code."""
    gc.disable()  # the coordinator enables it
    end = next(index for index, word in enumerate(words) if word in ("run", "install", "hold"))
    try:
        prepare(root, digest, words[:end])
    except (ImportError, OSError) as error:
        raise refusal(str(error)) from None
    if words[end] != "run":
        return 0 if words[end] == "install" else hold(root + "/state/journal")
    sys.argv[1:] = words[end + 1 :]
    from monopod.coordinator.__main__ import main as run  # noqa: PLC0415  # importable only now

    return run()


def hold(journal: str) -> int:
    """Wait for the journal, which a coordinator writes first, or for SIGTERM. Returns the exit code."""
    import signal  # noqa: PLC0415  # only the Pods of Tekton hold
    import time  # noqa: PLC0415

    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    while not os.path.exists(journal):
        time.sleep(0.05)
    return 0


def prepare(root: str, digest: str, words: tuple[str, ...]) -> None:
    """Install the entrypoint, unless it is there, and make the coordinator's modules importable."""
    if sys.version_info < (3, 11):  # noqa: UP036  # in an image of the user's choice
        raise refusal("monopod needs Python 3.11 or later; the image has {}.{}".format(*sys.version_info))
    parts: dict[str, str] = {}
    for name, _, data in (word.partition("=") for word in words):
        parts[name] = parts.get(name, "") + data
    sys.path.append(root + "/runtime/library")
    has_runtime = read(root + "/runtime/digest") == digest.encode()
    if not os.path.exists(root + "/bin/entrypoint"):
        program = read(root + "/runtime/entrypoint") if has_runtime else unpack(parts[entrypoint_in(parts)])
        write(root + "/bin/entrypoint", program, 0o755)
    if has_runtime:
        return
    archive = read(root + "/state/runtime.zip")
    if not archive:
        archive = unpack(parts["coordinator"])
        write(root + "/state/runtime.zip", archive, 0o644)
    sys.meta_path.insert(0, Modules(archive))


def entrypoint_in(parts: dict[str, str]) -> str:
    """Return the name of the part with the entrypoint for this machine."""
    architecture = MACHINES.get(os.uname().machine, os.uname().machine)
    name = "entrypoint-" + architecture
    if name not in parts:
        carried = ", ".join(part[11:] for part in parts if part.startswith("entrypoint-"))
        message = f"the node is {architecture}, and the Pod was compiled for {carried}"
        raise refusal(f"{message}; compile it with --arch {architecture}")
    return name


def unpack(data: str) -> bytes:
    """Return the content of a part."""
    import binascii  # noqa: PLC0415  # not needed in an image that has the runtime
    import lzma  # noqa: PLC0415

    return lzma.decompress(binascii.a2b_base64(data))


class Modules:
    """Imports the modules in an archive from memory, which takes a third of the time of zipimport."""

    def __init__(self, archive: bytes) -> None:
        self.files: dict[str, bytes] = {}
        at = 0
        while archive[at : at + 4] == b"PK\3\4":  # the header of a file, which is not compressed
            name = at + 30
            data = name + int.from_bytes(archive[at + 26 : at + 28], "little")
            at = data + int.from_bytes(archive[at + 18 : at + 22], "little")
            self.files[archive[name:data].decode()] = archive[data:at]

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """Return the specification of a module, None if it is not in the archive."""
        for end in (".py", "/__init__.py"):
            file = name.replace(".", "/") + end
            if file in self.files:
                return ModuleSpec(name, self, origin=file, is_package=end != ".py")  # type: ignore[arg-type]
        return None

    def create_module(self, spec: object) -> None:
        """Leave it to Python."""

    def exec_module(self, module: object) -> None:
        """Execute a module."""
        file = vars(module)["__spec__"].origin
        exec(compile(self.files[file], file, "exec", dont_inherit=True), vars(module))  # noqa: S102


def read(path: str) -> bytes:
    """Return the content of a file, nothing if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def write(path: str, content: bytes, mode: int) -> None:
    """Make a file, which appears once it is complete."""
    with open(path + ".new", "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
    os.replace(path + ".new", path)


def refusal(message: str) -> SystemExit:
    """Report why nothing can run, also as the container's termination message. Returns the exception to raise."""
    sys.stderr.write("coordinator: " + message + "\n")
    try:
        with open("/dev/termination-log", "w") as file:
            file.write(message)
    except OSError:
        pass  # it is there only in Kubernetes
    return SystemExit(2)


if __name__ == "__main__":
    sys.exit(main("/monopod", *sys.argv[1:]))
