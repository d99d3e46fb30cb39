"""The backend ``kubernetes``: runs compiled Pods in a cluster (docs/kubernetes.md)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from monopod.runner.kubernetes.own_secrets import with_own_secrets
from monopod.runner.kubernetes.pod import KubernetesPod

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation
    from monopod.runner.kubernetes.cluster import Cluster


class KubernetesBackend:
    """Runs Pods in a cluster; with `makes_jobs` it creates Jobs, which create the Pods.

    ``start_timeout``: how long, in seconds, something may keep a container from starting (`PodObservation`).
    ``keeps_failed``: the Pod of a run that has failed is kept. ``include_ignored``: of folders that are copied to
    Workspaces, ignored files are copied too. ``given_secrets``: Secrets of these names are the run's own.
    """

    name = "kubernetes"
    notice = ""

    def __init__(
        self,
        cluster: Cluster,
        start_timeout: float | None = None,
        *,
        makes_jobs: bool = False,
        keeps_failed: bool = False,
        include_ignored: bool = False,
        given_secrets: Collection[str] = (),
    ) -> None:
        self.cluster = cluster
        self.context = cluster.context
        self._makes_jobs = makes_jobs
        self._keeps_failed = keeps_failed
        self._start_timeout = start_timeout
        self._include_ignored = include_ignored
        self._given_secrets = given_secrets

    def pod(self, compilation: Compilation, *, keep: bool) -> KubernetesPod:
        """Return the Pod of a compiled run, not yet created."""
        kind: type[KubernetesPod] = KubernetesPod
        if self._makes_jobs:
            from monopod.runner.kubernetes.job import JobPod  # noqa: PLC0415  # most runs make a Pod

            kind = JobPod
        return kind(
            self.cluster,
            with_own_secrets(compilation, self._given_secrets),
            self._start_timeout,
            keep=keep,
            keeps_failed=self._keeps_failed,
            include_ignored=self._include_ignored,
        )
