"""The options that select a cluster."""

from __future__ import annotations

import argparse
import os
import sys


def is_kubectl_plugin() -> bool:
    """Return whether this process is `kubectl monopod`, which runs in a cluster by default."""
    return os.path.basename(sys.argv[0]) == "kubectl-monopod"


def program_name() -> list[str]:
    """Return the words that start this program, for commands that are shown to the user."""
    return ["kubectl", "monopod"] if is_kubectl_plugin() else ["monopod"]


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--context`` and ``-n``."""
    parser.add_argument("--context", metavar="CONTEXT", help="the kubectl context (default: the current context)")
    parser.add_argument(
        "-n", "--namespace", metavar="NAMESPACE", help="the namespace of the Pod (default: the context's namespace)"
    )
