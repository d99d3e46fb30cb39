"""The options that lower the requests of a Pod while its run continues (docs/capacity.md)."""

from __future__ import annotations

import argparse


def add_shrink_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--shrink`` and ``--self-shrink``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--shrink",
        action="store_const",
        const="runner",
        help="lower the Pod's requests to what is left to run, each time a Task has ended, so that other Pods can be "
        "scheduled (kubernetes only, 1.33 or later; docs/capacity.md)",
    )
    add_self_shrink_option(group)


def add_self_shrink_option(parser: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """Add ``--self-shrink``."""
    parser.add_argument(
        "--self-shrink",
        action="store_const",
        const="coordinator",
        dest="shrink",
        help="the Pod lowers its own requests to what is left to run; its ServiceAccount needs the permission to patch "
        "pods/resize (Kubernetes 1.33 or later; docs/capacity.md)",
    )


def shrink_option(arguments: argparse.Namespace) -> str:
    """Return the option that the user gave."""
    return "--shrink" if arguments.shrink == "runner" else "--self-shrink"
