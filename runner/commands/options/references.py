"""The option ``--resolve``, and the other sources that remote references are read from on this machine."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING

from monopod.runner.commands.options.parsed import argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monopod.compiler.remote.local.rules import Rule
    from monopod.compiler.remote.local.sources import LocalSources

_VARIABLE = "MONOPOD_RESOLVE"


def add_resolve_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--resolve``."""
    parser.add_argument(
        "--resolve",
        action="append",
        default=[],
        type=argument(_rule),
        metavar="PATTERN=DIR",
        help="read remote references that match PATTERN from the directory DIR instead of fetching them (repeatable), "
        "such as git:https://github.com/acme/*=../*, 'bundles:quay.io/acme/*=tekton', 'hub:*=catalog' or "
        "https://example.com/tasks/*=tasks",
    )


def _rule(text: str) -> Rule:
    from monopod.compiler.remote.local.rules import Rule  # noqa: PLC0415  # not needed for --help

    return Rule.parse(text, "--resolve")


def local_sources(rules: Sequence[Rule]) -> LocalSources:
    """Return the sources of a command line with these rules. Raises Problems if a rule or the lock is invalid."""
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help
    from monopod.compiler.remote.local.project import CONFIGURATION, LOCK, project_directory, read_rules  # noqa: PLC0415
    from monopod.compiler.remote.local.rules import Rule, check_rules  # noqa: PLC0415
    from monopod.compiler.remote.local.sources import LocalSources  # noqa: PLC0415

    texts = [text.strip() for text in re.split("[;\n]", os.environ.get("MONOPOD_RESOLVE", ""))]
    problems = []
    of_environment = []
    for text in filter(None, texts):
        try:
            of_environment.append(Rule.parse(text, _VARIABLE))
        except ValueError as error:
            problems.append(Problem(None, f"{_VARIABLE}: {error}", "invalid-value"))
    for layer in (rules, of_environment):
        try:
            check_rules(layer)
        except ValueError as error:
            problems.append(Problem(None, str(error), "invalid-value"))
    if problems:
        raise Problems(problems)
    layers = (tuple(rules), tuple(of_environment), read_rules())
    lock = None
    if project_directory((CONFIGURATION, LOCK)) is not None:
        from monopod.compiler.remote.local.lock import read_lock  # noqa: PLC0415

        lock = read_lock()
    return LocalSources(layers, lock)
