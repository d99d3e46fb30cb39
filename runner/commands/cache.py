"""`monopod cache`: the entries of caches between runs."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.output import add_output_option
from monopod.runner.exit_codes import FAILED, SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monopod.runner.caches.pruning import StoredEntry
    from monopod.system.caches.store import Store

SUMMARY = "list or prune the caches that runs restore and save"

EXAMPLES = """\
  monopod cache list
  monopod cache list --cache-store ./shared --key go-
  monopod cache prune --older-than 7d
  monopod cache prune --max-size 10Gi --dry-run
  monopod cache prune --all

Runs on this machine keep their caches in $XDG_CACHE_HOME/monopod/caches (default: ~/.cache/monopod/caches), in a
directory for each project (a git repository). An entry never changes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("action", choices=("list", "prune"), help="list entries, or remove some of them")
    parser.add_argument(
        "--cache-store",
        metavar="STORE",
        help="the store: ./DIR, pvc:CLAIM (a claim of this machine's backends) or oci:REGISTRY/REPOSITORY (default: "
        "$MONOPOD_CACHE_STORE, else the stores of all projects on this machine)",
    )
    parser.add_argument("--key", type=_prefix, metavar="PREFIX", help="only entries whose key starts with PREFIX")
    parser.add_argument(
        "--older-than", type=_age, metavar="AGE", help="only entries that were not used for AGE, such as 7d or 12h"
    )
    parser.add_argument(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help="prune: remove the least recently used entries until the rest takes at most SIZE, such as 10Gi",
    )
    parser.add_argument("--all", action="store_true", help="prune: remove all entries")
    parser.add_argument("--dry-run", action="store_true", help="prune: print what would be removed, and remove nothing")
    add_output_option(
        parser,
        ("json", "name"),
        "list: human (the default): a table, the newest first; json: every field; name: only the keys",
    )


def execute(arguments: argparse.Namespace) -> int:
    """List or prune the entries."""
    from monopod.system.caches.store import StoreError  # noqa: PLC0415  # not needed for --help

    problem = _misplaced_option(arguments)
    if problem is not None:
        print(f"monopod cache: {problem}", file=sys.stderr)
        return WRONG_INPUT
    try:
        stored = [each for each in _stored(arguments) if each.entry.key.startswith(arguments.key or "")]
        return _list(arguments, stored) if arguments.action == "list" else _prune(arguments, stored)
    except ValueError as error:
        print(visible_lines(f"monopod cache: --cache-store: {error}"), file=sys.stderr)
        return WRONG_INPUT
    except StoreError as error:
        print(visible_lines(f"monopod cache: {error}"), file=sys.stderr)
        return FAILED


def _misplaced_option(arguments: argparse.Namespace) -> str | None:
    if arguments.action == "list":
        for option in ("max_size", "all", "dry_run"):
            if getattr(arguments, option) not in (None, False):
                return f"--{option.replace('_', '-')} applies only to prune"
        return None
    if arguments.output != "human":
        return "-o applies only to list"
    conditions = (arguments.older_than, arguments.max_size, arguments.key)
    if arguments.all and any(condition is not None for condition in conditions):
        return "--all removes every entry; leave out the other conditions, or --all"
    if not arguments.all and all(condition is None for condition in conditions):
        return "choose what to remove: --older-than AGE, --max-size SIZE, --key PREFIX or --all"
    return None


def _stored(arguments: argparse.Namespace) -> Iterator[StoredEntry]:
    """Yield the entries of the chosen store, the newest first. Raises ValueError, StoreError."""
    from monopod.runner.caches.pruning import StoredEntry  # noqa: PLC0415  # not needed for --help

    found = [StoredEntry(entry, store, project) for project, store in _stores(arguments) for entry in store.entries()]
    yield from sorted(found, key=lambda each: -each.entry.created)


def _stores(arguments: argparse.Namespace) -> Iterable[tuple[str, Store]]:
    """Return the chosen store, or the stores of all projects with their names. Raises ValueError, StoreError."""
    text = arguments.cache_store or os.environ.get("MONOPOD_CACHE_STORE")
    if text is None:
        from monopod.runner.caches.directory_stores import default_stores  # noqa: PLC0415  # not needed for --help

        return default_stores()
    from monopod.runner.caches.named_store import store_of_option  # noqa: PLC0415  # it imports pydantic

    return [("", store_of_option(text))]


def _list(arguments: argparse.Namespace, stored: Sequence[StoredEntry]) -> int:
    if arguments.older_than is not None:
        now = time.time()
        stored = [each for each in stored if each.is_older(now, arguments.older_than)]
    if arguments.output == "json":
        import json  # noqa: PLC0415

        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415

        write_json(json.dumps(list(map(_to_json, stored)), indent=2) + "\n")
    elif arguments.output == "name":
        sys.stdout.write("".join(f"{each.entry.key}\n" for each in stored))
    elif stored:
        _print_table(stored)
    else:
        print("No entries.", file=sys.stderr)
    return SUCCEEDED


def _print_table(stored: Sequence[StoredEntry]) -> None:
    from monopod.runner.display.printable import printable  # noqa: PLC0415
    from monopod.schemas.formats.sizes import format_size  # noqa: PLC0415
    from monopod.schemas.formats.words import format_age, table_lines  # noqa: PLC0415

    now = time.time()
    rows = [
        (each.entry.key, format_size(each.entry.size), format_age(now - each.entry.created),
         format_age(now - each.entry.used), each.project or "-", " ".join(each.entry.paths))
        for each in stored
    ]  # fmt: skip
    for line in table_lines([("KEY", "SIZE", "AGE", "UNUSED FOR", "PROJECT", "PATHS"), *rows]):
        print(printable(line, colours=False))
    total = sum(each.entry.size for each in stored)
    print(f"{_counted(len(stored))}, {format_size(total)}", file=sys.stderr)


def _to_json(stored: StoredEntry) -> dict[str, Any]:
    from monopod.schemas.formats.timestamps import to_rfc3339  # noqa: PLC0415  # not needed for --help

    entry = stored.entry
    return {
        "key": entry.key,
        "size": entry.size,
        "created": to_rfc3339(entry.created),
        "used": to_rfc3339(entry.used),
        "project": stored.project or None,
        "paths": list(entry.paths),
        "version": entry.version,
        "digest": f"sha256:{entry.digest}",
    }


def _prune(arguments: argparse.Namespace, stored: Sequence[StoredEntry]) -> int:
    from monopod.runner.caches.pruning import entries_to_remove  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.printable import printable  # noqa: PLC0415
    from monopod.schemas.formats.sizes import format_size  # noqa: PLC0415

    limits = {"older_than": arguments.older_than, "max_size": arguments.max_size}
    removed = entries_to_remove(stored, time.time(), **limits)
    verb = "would remove" if arguments.dry_run else "removed"
    for each in removed:
        if not arguments.dry_run:
            each.store.remove(each.entry)
        print(printable(f"{verb} {each.entry.key} ({format_size(each.entry.size)})", colours=False))
    size, left = (sum(each.entry.size for each in group) for group in (removed, stored))
    rest = _counted(len(stored) - len(removed))
    print(
        f"{verb} {_counted(len(removed))} ({format_size(size)}), {rest} ({format_size(left - size)}) remain",
        file=sys.stderr,
    )
    return SUCCEEDED


def _counted(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def _prefix(text: str) -> str:
    """Return a prefix of keys: not an empty one, such as that of an unset variable. Raises ArgumentTypeError."""
    if not text:
        raise argparse.ArgumentTypeError("an empty prefix matches every entry; leave out --key, or use --all")
    return text


def _age(text: str) -> float:
    """Return the seconds of an age such as ``2w``, ``7d`` or ``1d12h``. Raises ArgumentTypeError."""
    from monopod.schemas.formats.duration import parse  # noqa: PLC0415  # it imports pydantic

    match = re.fullmatch(r"(?:(\d+)w)?(?:(\d+)d)?(.*)", text, re.ASCII)
    assert match is not None
    days = int(match[1] or 0) * 7 + int(match[2] or 0)
    try:
        return days * 86400 + (parse(match[3]) if match[3] or not days else 0.0)
    except ValueError:
        message = f"'{text}' is not an age; write it like 2w, 7d, 12h or 1d12h"
        raise argparse.ArgumentTypeError(message) from None


def _size(text: str) -> int:
    """Return the bytes of a quantity such as ``10Gi``. Raises ArgumentTypeError."""
    from monopod.schemas.formats.quantity import parse  # noqa: PLC0415  # it imports pydantic

    try:
        size = int(parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if size < 0:
        raise argparse.ArgumentTypeError(f"a size must not be negative, got '{text}'")
    return size
