"""`monopod cache`: the entries of caches between runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.cluster import is_kubectl_plugin
from monopod.runner.commands.options.input import duration
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.commands.options.parsed import argument
from monopod.runner.exit_codes import FAILED, SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.utf8 import checked_utf8
from monopod.schemas.formats.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monopod.compiler.caches.store_option import CacheStore
    from monopod.runner.caches.pruning import StoredDamage, StoredEntry, Stores

VARIABLE = "MONOPOD_CACHE_STORE"
SUMMARY = "list or prune the caches that runs restore and save"

EXAMPLES = """\
  monopod cache list
  monopod cache list --cache-store ./shared --key go-
  monopod cache prune --older-than 7d
  monopod cache prune --max-size 10Gi --dry-run
  monopod cache prune --all
  monopod cache list --cache-store pvc:caches --context prod -n ci

Runs on this machine keep their caches in $XDG_CACHE_HOME/monopod/caches (default: ~/.cache/monopod/caches), in a
directory for each project (a git repository). An entry never changes.

With --context, a Pod in the cluster reads each claim. It complies with the Pod Security profile 'restricted', and is
deleted afterwards. A claim that cannot be shared is not read while another Pod uses it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("action", choices=("list", "prune"), help="list entries, or remove some of them")
    parser.add_argument(
        "--cache-store",
        metavar="STORE",
        help="the store: ./DIR, pvc:CLAIM[,CLAIM...] (claims of this machine's backends; with --context, of a cluster) "
        "or oci:REGISTRY/REPOSITORY (default: $MONOPOD_CACHE_STORE, else the stores of all projects on this machine)",
    )
    parser.add_argument("--context", metavar="CONTEXT", help="the kubectl context of the cluster with the claims")
    parser.add_argument(
        "-n", "--namespace", metavar="NAMESPACE", help="the namespace of the claims (default: the context's namespace)"
    )
    parser.add_argument(
        "--runtime-image",
        type=argument(checked_utf8),
        metavar="IMAGE",
        help="the image of the Pods that read claims: any image with Python 3.11 or later as python3 (default: "
        "docker.io/library/python:3.13-alpine)",
    )
    parser.add_argument(
        "--start-timeout",
        type=duration,
        metavar="DURATION",
        help="how long a Pod that reads a claim may take to start (default: 2m)",
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
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.system.caches.store import StoreError  # noqa: PLC0415

    try:
        chosen = _chosen(arguments)
        problem = _misplaced_option(arguments, chosen)
        if problem is not None:
            print(f"monopod cache: {problem}", file=sys.stderr)
            return WRONG_INPUT
        with _opened(arguments, chosen) as stores:
            stored = [each for each in stores.stored() if each.entry.key.startswith(arguments.key or "")]
            stored.sort(key=lambda each: -each.entry.created)
            if arguments.action == "list":
                _list(arguments, stored, chosen)
            else:
                _prune(arguments, stored, stores)
                _prune_damaged(arguments, stores)
            _report_damage(stores)
    except ValueError as error:
        option = "--cache-store" if arguments.cache_store else VARIABLE
        print(visible(f"monopod cache: {option}: {error}"), file=sys.stderr)
        return WRONG_INPUT
    except BackendUnavailableError as error:
        print(visible(f"monopod cache: {error}"), file=sys.stderr)
        return WRONG_INPUT
    except StoreError as error:
        print(visible(f"monopod cache: {error}"), file=sys.stderr)
        return FAILED
    for problem in stores.problems:
        print(visible(f"monopod cache: {problem}"), file=sys.stderr)
    return FAILED if stores.problems else SUCCEEDED


def _chosen(arguments: argparse.Namespace) -> CacheStore | None:
    """Return the store of the option or of the environment, None for all projects. Raises ValueError."""
    text = arguments.cache_store or os.environ.get(VARIABLE)
    if text is None:
        return None
    from monopod.compiler.caches.store_option import parse_store  # noqa: PLC0415  # not needed for --help

    return parse_store(text)


def _is_in_cluster(arguments: argparse.Namespace, chosen: CacheStore | None) -> bool:
    is_meant = arguments.context is not None or is_kubectl_plugin()
    return is_meant and chosen is not None and chosen.kind == "claims"


def _misplaced_option(arguments: argparse.Namespace, chosen: CacheStore | None) -> str | None:
    has_claims = chosen is not None and chosen.kind == "claims"
    if arguments.context is not None and not has_claims:
        return "--context applies only to claims; name them with --cache-store pvc:CLAIM"
    if arguments.namespace is not None and not has_claims:
        return "-n applies only to claims; name them with --cache-store pvc:CLAIM"
    option = _first_given(arguments, "runtime_image", "start_timeout")
    if option is not None and not _is_in_cluster(arguments, chosen):
        return f"{option} applies only to claims in a cluster; add --context CONTEXT"
    return _wrong_conditions(arguments)


def _wrong_conditions(arguments: argparse.Namespace) -> str | None:
    if arguments.action == "list":
        option = _first_given(arguments, "max_size", "all", "dry_run")
        return None if option is None else f"{option} applies only to prune"
    if arguments.output != "human":
        return "-o applies only to list"
    conditions = (arguments.older_than, arguments.max_size, arguments.key)
    if arguments.all and any(condition is not None for condition in conditions):
        return "--all removes every entry; leave out the other conditions, or --all"
    if not arguments.all and all(condition is None for condition in conditions):
        return "choose what to remove: --older-than AGE, --max-size SIZE, --key PREFIX or --all"
    return None


def _first_given(arguments: argparse.Namespace, *names: str) -> str | None:
    given = (name for name in names if getattr(arguments, name) not in (None, False))
    return next((f"--{name.replace('_', '-')}" for name in given), None)


@contextlib.contextmanager
def _opened(arguments: argparse.Namespace, chosen: CacheStore | None) -> Iterator[Stores]:
    """Give the chosen store, or the stores of all projects.

    Raises ValueError, StoreError, BackendUnavailableError.
    """
    if chosen is not None and _is_in_cluster(arguments, chosen):
        from monopod.runner.kubernetes.claim_caches import START_SECONDS, ClaimCaches  # noqa: PLC0415  # slow to import
        from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415

        with connect(arguments.context) as cluster:
            namespace = arguments.namespace or cluster.namespace
            patience = START_SECONDS if arguments.start_timeout is None else arguments.start_timeout
            yield ClaimCaches(cluster, namespace, chosen.names, arguments.runtime_image, patience)
        return
    from monopod.runner.caches.direct_stores import DirectStores  # noqa: PLC0415  # not needed for --help

    if chosen is None:
        from monopod.runner.caches.directory_stores import default_stores  # noqa: PLC0415

        yield DirectStores(default_stores())
    else:
        from monopod.runner.caches.named_store import open_named  # noqa: PLC0415  # it imports pydantic

        yield DirectStores(open_named(chosen, arguments.namespace))


def _list(arguments: argparse.Namespace, stored: Sequence[StoredEntry], chosen: CacheStore | None) -> None:
    if arguments.older_than is not None:
        now = time.time()
        stored = [each for each in stored if each.is_older(now, arguments.older_than)]
    kind = "claim" if chosen is not None and chosen.kind == "claims" else "project"
    if arguments.output == "json":
        import json  # noqa: PLC0415

        from monopod.runner.display.ci_log import write_json  # noqa: PLC0415

        write_json(json.dumps([_to_json(each, kind) for each in stored], indent=2) + "\n")
    elif arguments.output == "name":
        sys.stdout.write("".join(f"{each.entry.key}\n" for each in stored))
    elif stored:
        _print_table(stored, kind)
    else:
        print(visible(f"No entries in {chosen.option if chosen is not None else 'any store'}."), file=sys.stderr)


def _print_table(stored: Sequence[StoredEntry], kind: str) -> None:
    from monopod.runner.display.printable import printable  # noqa: PLC0415
    from monopod.schemas.formats.sizes import format_size  # noqa: PLC0415
    from monopod.schemas.formats.words import format_age, table_lines  # noqa: PLC0415

    now = time.time()
    rows = [
        (each.entry.key, format_size(each.entry.size), format_age(now - each.entry.created),
         format_age(now - each.entry.used), each.place or "-", " ".join(each.entry.paths))
        for each in stored
    ]  # fmt: skip
    for line in table_lines([("KEY", "SIZE", "AGE", "UNUSED FOR", kind.upper(), "PATHS"), *rows]):
        print(printable(line, colours=False))
    total = sum(each.entry.size for each in stored)
    print(f"{_counted(len(stored))}, {format_size(total)}", file=sys.stderr)


def _to_json(stored: StoredEntry, kind: str) -> dict[str, Any]:
    from monopod.schemas.formats.timestamps import to_rfc3339  # noqa: PLC0415  # not needed for --help

    entry = stored.entry
    return {
        "key": entry.key,
        "size": entry.size,
        "created": to_rfc3339(entry.created),
        "used": to_rfc3339(entry.used),
        kind: stored.place or None,
        "paths": list(entry.paths),
        "version": entry.version,
        "digest": f"sha256:{entry.digest}",
    }


def _prune(arguments: argparse.Namespace, stored: Sequence[StoredEntry], stores: Stores) -> None:
    from monopod.runner.caches.pruning import entries_to_remove  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.printable import printable  # noqa: PLC0415
    from monopod.schemas.formats.sizes import format_size  # noqa: PLC0415

    limits = {"older_than": arguments.older_than, "max_size": arguments.max_size}
    unwanted = entries_to_remove(stored, time.time(), **limits)
    verb = "would remove" if arguments.dry_run else "removed"
    removed = []
    for each in unwanted if arguments.dry_run else stores.remove(unwanted):
        removed.append(each)
        print(printable(f"{verb} {each.entry.key} ({format_size(each.entry.size)})", colours=False))
    size, left = (sum(each.entry.size for each in group) for group in (removed, stored))
    rest = _counted(len(stored) - len(removed))
    print(
        f"{verb} {_counted(len(removed))} ({format_size(size)}), {rest} ({format_size(left - size)}) remain",
        file=sys.stderr,
    )


def _prune_damaged(arguments: argparse.Namespace, stores: Stores) -> None:
    """Remove what is not an entry, unless the keys of the entries to remove are chosen: it has none."""
    if arguments.key is not None or arguments.dry_run:
        return
    for each in stores.remove_damaged(stores.damaged()):
        print(visible(f"removed damaged entry {_described(each)}"))


def _report_damage(stores: Stores) -> None:
    for each in stores.damaged():
        hint = "`monopod cache prune` with --all, --older-than or --max-size removes it"
        print(visible(f"monopod cache: damaged entry {_described(each)}; {hint}"), file=sys.stderr)


def _described(stored: StoredDamage) -> str:
    place = f" of {stored.place}" if stored.place else ""
    return f"{stored.damage.path}{place}: {stored.damage.why}"


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
