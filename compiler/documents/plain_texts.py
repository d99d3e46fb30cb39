"""The texts in plain data, at any depth: finding them with their paths, and replacing them.

Left to others: what a text means; the texts in models (``monopod.compiler.scope.texts``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from monopod.schemas.model import Path


def texts_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the texts inside plain data at `path`, in order, with their paths."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from texts_in(item, (*path, index))


def replace_texts(value: Any, path: Path, replace: Callable[[str, Path], str]) -> Any:
    """Return plain data at `path` with the texts that `replace` returns for its texts and their paths."""
    if isinstance(value, str):
        return replace(value, path)
    if isinstance(value, dict):
        return {key: replace_texts(item, (*path, key), replace) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_texts(item, (*path, index), replace) for index, item in enumerate(value)]
    return value
