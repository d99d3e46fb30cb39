"""What a Pod is compiled for: the version of a cluster, the LimitRanges of a namespace, whether Pods can be resized.

All are requested at the same time, while the files are read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from monopod.compiler.options import Shrinker
    from monopod.runner.kubernetes.cluster import Cluster

T = TypeVar("T")


class Discovery:
    """Requests what the compiler needs to know about a cluster. `namespace` is None for the default namespace.

    With `shrinks`, an option of the compiler, the requests of the Pod are lowered if the cluster can do that.
    """

    def __init__(self, cluster: Cluster, namespace: str | None, *, shrinks: Shrinker | None = None) -> None:
        self._version = _Background(cluster.version)
        self._limit_ranges = _Background(lambda: cluster.limit_ranges(namespace))
        self._shrinks = shrinks
        self._resizes_pods = None if shrinks is None else _Background(cluster.resizes_pods)

    def compiler_options(self) -> dict[str, Any]:
        """Wait for the answers and return them as options of the compiler. Raises BackendUnavailableError."""
        return {
            "kube_version": self._version.result(),
            "limit_ranges": self._limit_ranges.result(),
            "shrinks": self._shrinks if self.can_shrink else None,
        }

    @property
    def can_shrink(self) -> bool:
        """Whether the requests of the Pod can be lowered, if that was asked for. Raises BackendUnavailableError."""
        return self._resizes_pods is not None and self._resizes_pods.result()


class _Background(Generic[T]):
    """Calls a function in a thread, which never keeps the process from exiting."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._result: list[T] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result.append(self._function())
        except Exception as error:  # noqa: BLE001  # raised by `result`
            self._error = error

    def result(self) -> T:
        """Wait for the function and return its result, or raise its error."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result[0]
