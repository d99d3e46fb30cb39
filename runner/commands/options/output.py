"""The option ``-o FORMAT``: for people, or for programs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def add_output_option(parser: argparse.ArgumentParser, formats: Sequence[str], text: str) -> None:
    """Add ``-o`` with the default, ``human``, and these other formats; `text` is its help."""
    parser.add_argument("-o", "--output", choices=("human", *formats), default="human", help=text)
