"""`monopod resolve`: list the remote references of Pipelines, or pin and vendor them."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from monopod.runner.commands.options.input import (
    add_file_options,
    load_documents,
    placeholder_names,
)
from monopod.runner.commands.options.output import add_output_option
from monopod.runner.commands.options.params import add_params, file_params, params_of
from monopod.runner.commands.options.project import name_of_run
from monopod.runner.commands.options.references import add_resolve_option, local_sources
from monopod.runner.exit_codes import SUCCEEDED
from monopod.runner.garbage_collection import without_garbage_collection

if TYPE_CHECKING:
    from monopod.compiler.locking import ResolvedReference
    from monopod.compiler.options import Options
    from monopod.compiler.remote.local.lock import Lock

SUMMARY = "list the remote references of Pipelines, or pin them in monopod.lock"

EXAMPLES = """\
  monopod resolve -f pipeline.yaml              (what each reference means)
  monopod resolve -f pipeline.yaml --lock       (pin what is not pinned yet)
  monopod resolve -f pipeline.yaml --update     (pin everything again)
  monopod resolve -f pipeline.yaml --check      (in CI, without a network)

Commit monopod.lock and monopod.vendor. With them, all commands read remote references from monopod.vendor."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_file_options(parser)
    add_params(parser)
    add_resolve_option(parser)
    parser.add_argument("--context", metavar="CONTEXT", help="the kubectl context for the resolver cluster")
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--lock",
        action="store_true",
        help="write monopod.lock and monopod.vendor: pin the references that are not pinned yet, keep the others, and "
        "remove those that the files do not have",
    )
    action.add_argument("--update", action="store_true", help="the same, but pin all references again")
    action.add_argument(
        "--check",
        action="store_true",
        help="write and fetch nothing; exit with 2 unless monopod.lock has exactly the references of the files",
    )
    add_output_option(parser, ("json",), "human (the default), or json")


@without_garbage_collection()
def execute(arguments: argparse.Namespace) -> int:
    """List, pin or check the references. Raises Problems."""
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.locking import references, write  # noqa: PLC0415
    from monopod.compiler.remote.local.lock import Lock, lock_directory, read_lock  # noqa: PLC0415

    documents = load_documents(arguments)
    lock = read_lock() or Lock(lock_directory())
    found = references(documents, _options(arguments, lock))
    if arguments.lock or arguments.update:
        changes = write(lock, found)
        entries = [{"change": change.change, **change.entry.to_kubernetes()} for change in changes]
        lines = [f"{change.change} {change.entry.kind} {change.entry.origin}" for change in changes]
        _print(lines or [f"{lock.path} is up to date"], entries, arguments.output)
        return SUCCEEDED
    if arguments.check and (unused := lock.unused(each.key for each in found if each.is_locked)):
        raise Problems(unused)
    lines = [f"{each.document.kind} {each.document.name}: {each.resolved.origin}" for each in found]
    _print(lines, [_listed(each) for each in found], arguments.output)
    return SUCCEEDED


def _options(arguments: argparse.Namespace, lock: Lock) -> Options:
    """Return options for compiling a Pod that is not used, with the sources that the command may use."""
    from dataclasses import replace  # noqa: PLC0415  # not needed for --help

    from monopod.compiler.options import Options  # noqa: PLC0415

    used = None if arguments.update else lock if arguments.check else lock.lenient()
    return Options(
        params=params_of(arguments),
        param_files=file_params(arguments),
        name=name_of_run(arguments),
        context=arguments.context,
        sources=replace(local_sources(arguments.resolve), lock=used),
        unknown_params=True,
        uses_images=False,
        folders="copied",
        **placeholder_names(),
    )


def _listed(each: ResolvedReference) -> dict[str, Any]:
    reference = each.reference
    return {
        "kind": each.document.kind,
        "name": each.document.name,
        "resolver": reference.resolver,
        "params": dict(reference.params),
        "refSource": each.resolved.source.to_json(),
    }


def _print(lines: list[str], entries: list[dict[str, Any]], output: str) -> None:
    from monopod.runner.display.ci_log import write_json  # noqa: PLC0415  # not needed for --help
    from monopod.schemas.formats.visible_text import visible  # noqa: PLC0415

    if output == "json":
        write_json(json.dumps(entries, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{visible(line)}\n" for line in lines))
