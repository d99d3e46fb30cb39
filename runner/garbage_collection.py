"""Turns off Python's cyclic garbage collector, which runs after a number of allocations and again at exit.

Compiling creates hardly any garbage: everything that a command imports, reads and compiles stays in use.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable the garbage collector, and exempt all objects that exist at the end from later collections."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
