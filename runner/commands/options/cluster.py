"""The options that say which cluster is meant, and which Pod in it. The same for all commands."""

from __future__ import annotations

import argparse
import os
import sys


def is_kubectl_plugin() -> bool:
    """Whether this was called as `kubectl monopod`, so that a cluster is meant if nothing else is said."""
    return os.path.basename(sys.argv[0]) == "kubectl-monopod"


def program() -> list[str]:
    """Return the words by which this was called, for commands that are shown to be typed."""
    return ["kubectl", "monopod"] if is_kubectl_plugin() else ["monopod"]


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--context`` and ``-n``."""
    parser.add_argument("--context", metavar="CONTEXT", help="the context of kubectl (default: the current one)")
    parser.add_argument(
        "-n", "--namespace", metavar="NAMESPACE", help="the namespace of the Pod (default: that of the context)"
    )


def add_pod_argument(parser: argparse.ArgumentParser) -> None:
    """Add the name of a Pod."""
    parser.add_argument(
        "pod",
        metavar="POD",
        help="the Pod that runs the Pipeline: its name, pod/NAME, or what `run --detach -o name` prints",
    )
