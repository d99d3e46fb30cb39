"""The command ``mdlinks``. Exit code 0: every link leads somewhere, 1: some do not, 2: bad usage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mdlinks import COMMIT, VERSION
from mdlinks.check import check, markdown_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the paths given on the command line, print what is broken, and return the exit code."""
    parser = argparse.ArgumentParser(prog="mdlinks", description="Find links in Markdown files that lead nowhere.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a Markdown file, or a folder of them")
    parser.add_argument("--root", type=Path, default=Path(), help="where a link that starts with / begins")
    parser.add_argument("--version", action="version", version=f"mdlinks {VERSION} (commit {COMMIT})")
    options = parser.parse_args(arguments)

    checked, broken = 0, []
    try:
        files = markdown_files(options.paths)
        for file in files:
            count, faults = check(file, options.root)
            checked += count
            broken += faults
    except (OSError, UnicodeDecodeError) as error:
        print(f"mdlinks: {error}", file=sys.stderr)
        return 2
    for fault in broken:
        print(fault)
    print(f"{checked} links in {len(files)} files checked, {len(broken)} broken")
    return 1 if broken else 0
