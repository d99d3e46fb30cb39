"""The options that choose where the Pod runs.

The backend is, in this order: ``--backend``, ``kubernetes`` if a cluster is named (``--context``, `kubectl monopod`),
the environment variable ``MONOPOD_BACKEND``, the ``backend`` or ``context`` of ``monopod.yaml``, and ``auto``: podman
if it can run the Pod here, else host.
"""

from __future__ import annotations

import argparse
import os
from typing import Literal, TypeAlias, cast, get_args

from monopod.runner.commands.options.cluster import is_kubectl_plugin
from monopod.runner.commands.options.input import duration
from monopod.runner.commands.options.project import project_of
from monopod.runner.commands.options.shrinking import shrink_option

BackendName: TypeAlias = Literal["auto", "host", "podman", "kubernetes"]
BACKENDS: tuple[str, ...] = get_args(BackendName)
_OF_KUBERNETES = ("context", "detach", "ttl", "start_timeout", "include_ignored", "shrink", "queue", "priority_class")


class UsageError(Exception):
    """Options do not fit together; the text is for a person."""


def add_backend_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the Pod runs."""
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="where to run the Steps: host is this machine, without the Steps' images; podman runs containers on this "
        "machine; kubernetes runs a Pod in a cluster, and is the default of `kubectl monopod`. auto (the default) is "
        "podman if it works here and the images are here or can be pulled, else host. MONOPOD_BACKEND and monopod.yaml "
        "set the default",
    )
    parser.add_argument(
        "--network",
        metavar="NETWORK",
        help="the network of the Pod: host, none, or a podman network (podman only, and instead of auto)",
    )
    parser.add_argument(
        "--context", metavar="CONTEXT", help="run in the cluster of this kubectl context (implies kubernetes)"
    )
    parser.add_argument(
        "--detach", action="store_true", help="create the Pod, print its name, and return (kubernetes only)"
    )
    parser.add_argument(
        "--ttl",
        type=duration,
        metavar="DURATION",
        help="create a Job, which the cluster deletes this long after its end, such as 1h (kubernetes only)",
    )
    parser.add_argument(
        "--start-timeout",
        type=duration,
        metavar="DURATION",
        help="how long a container may fail to start before its Task or the run fails (kubernetes only, default: 5m). "
        "Examples: an image that cannot be pulled, a Pod that fits no node. A Task that is already running fails as "
        "soon as kubelet reports the error",
    )
    add_queue_options(parser)


def add_queue_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that let Kueue admit an object."""
    parser.add_argument(
        "--queue", metavar="NAME", help="the LocalQueue of Kueue that admits the object (kueue.x-k8s.io/queue-name)"
    )
    parser.add_argument(
        "--priority-class", metavar="NAME", help="its WorkloadPriorityClass of Kueue (kueue.x-k8s.io/priority-class)"
    )


def chosen_backend(arguments: argparse.Namespace) -> BackendName:
    """Return where the Pod runs, and set the context that the project sets for it.

    Raises UsageError if the options do not fit together, and Problems.
    """
    backend = _named_backend(arguments)
    project = project_of(arguments)
    if project is not None:
        if backend is None:
            backend = project.configuration.backend or ("kubernetes" if project.configuration.context else None)
        if backend == "kubernetes" and arguments.context is None and not is_kubectl_plugin():
            arguments.context = project.configuration.context
    backend = backend or "auto"
    if backend == "auto" and arguments.network is not None:
        backend = "podman"
    problem = _misplaced_option(arguments, backend)
    if problem is not None:
        raise UsageError(problem)
    return backend


def _named_backend(arguments: argparse.Namespace) -> BackendName | None:
    """Return the backend that the command line or the environment names."""
    if arguments.backend is not None:
        return cast(BackendName, arguments.backend)
    if arguments.context is not None or is_kubectl_plugin():
        return "kubernetes"
    from_environment = os.environ.get("MONOPOD_BACKEND")
    if not from_environment:
        return None
    if from_environment not in BACKENDS:
        raise UsageError(f"MONOPOD_BACKEND={from_environment}: expected one of {', '.join(BACKENDS)}")
    return cast(BackendName, from_environment)


def _misplaced_option(arguments: argparse.Namespace, backend: BackendName) -> str | None:
    """Return a message about an option that does not apply to this backend; None if all options do."""
    here = "this machine" if backend == "auto" else backend
    for option in (*_OF_KUBERNETES, "network"):
        required = "kubernetes" if option in _OF_KUBERNETES else "podman"
        if getattr(arguments, option) not in (None, False) and backend != required:
            name = shrink_option(arguments) if option == "shrink" else f"--{option.replace('_', '-')}"
            return f"{name} applies only to --backend {required}, not to {here}"
    if arguments.keep == "on-failure" and backend != "kubernetes":
        return f"--keep on-failure applies only to --backend kubernetes, not to {here}"
    return _misplaced_beside_detach(arguments) if arguments.detach else None


def _misplaced_beside_detach(arguments: argparse.Namespace) -> str | None:
    """Return a message about an option that needs a Pod that is followed; None if there is none."""
    if arguments.output in ("json", "yaml"):
        return f"--detach does not support -o {arguments.output}; use monopod status POD -o {arguments.output} later"
    if arguments.junit or arguments.trace:
        return "--detach does not support --junit and --trace, which need the finished run"
    if arguments.shrink == "runner":
        return "--detach does not support --shrink, because nobody follows the Pod; use --self-shrink"
    if arguments.fetches:
        return "--detach does not support --fetch, because the Pod ends with its run; leave --detach out"
    return None
