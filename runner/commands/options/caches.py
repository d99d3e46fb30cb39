"""The option ``--cache-store``, and the variable ``MONOPOD_CACHE_STORE``: where the caches of Tasks are kept."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from monopod.runner.commands.options.parsed import argument, variable

if TYPE_CHECKING:
    from monopod.compiler.caches.store_option import CacheStore


def add_cache_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache-store STORE``."""
    parser.add_argument(
        "--cache-store",
        type=argument(_parse),
        metavar="STORE",
        help="where the caches of Tasks are kept: ./DIR or hostPath:DIR, pvc:CLAIM[,CLAIM...], "
        "oci:REGISTRY/REPOSITORY[,secret=NAME], or - for no caching (default: "
        "$MONOPOD_CACHE_STORE; then the annotation monopod.dev/cache-store; then, on this machine, a directory in the "
        "user's cache)",
    )


def _parse(text: str) -> CacheStore:
    """Return the store that a text names. Raises ValueError."""
    from monopod.compiler.caches.store_option import parse_store  # noqa: PLC0415  # not needed for --help

    return parse_store(text)


def chosen_cache_store(option: CacheStore | None) -> CacheStore | None:
    """Return the store of the option, or of the environment. Raises Problems."""
    text = os.environ.get("MONOPOD_CACHE_STORE")
    return option if option is not None or not text else variable("MONOPOD_CACHE_STORE", text, _parse)
