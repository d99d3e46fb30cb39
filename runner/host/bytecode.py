"""Compiles the coordinator's modules to bytecode before it starts.

The coordinator runs as a user who may not write next to its modules, so every run would compile them again.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import py_compile


def compile_modules(directory: str) -> None:
    """Compile the modules in a directory whose bytecode is missing or outdated, as importing them would."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if name.endswith(".py") and not _is_compiled(path):
            with contextlib.suppress(OSError, py_compile.PyCompileError):  # the import compiles it then
                py_compile.compile(path, doraise=True)


def _is_compiled(path: str) -> bool:
    """Whether the module has bytecode that Python would use (PEP 552: flags 0, then time and size)."""
    source = os.stat(path)
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            header = file.read(16)
    except OSError:
        return False
    if header[4:8] != bytes(4):
        return True  # bytecode based on a hash, or unchecked
    known = (int(source.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + (source.st_size & 0xFFFFFFFF).to_bytes(
        4, "little"
    )
    return header[:4] == importlib.util.MAGIC_NUMBER and header[8:] == known
