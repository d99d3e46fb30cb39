"""Looking for garbage, which Python does after so many new objects, and once more when it ends.

A command makes next to none before it follows a run: all that it imports, reads and compiles stays.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Look for no garbage meanwhile, nor ever again among what is there at the end."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
