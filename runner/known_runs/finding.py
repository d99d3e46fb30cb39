"""Finds the run that a command is about: RUN of `monopod logs`, `status`, `attach` and `cancel`.

Rules:

- RUN is a recorded run by its identity or name, or a Pipeline, which means its latest run. Runs of this project come
  first. Without RUN, it is the latest run of this project.
- With ``--context`` or ``-n``, and always for `kubectl monopod`, RUN is a Pod in a cluster. If that Pod is gone, it is
  the recorded run of that name.
- A run in a cluster that was detached, or whose record stopped before its end, is read from the cluster: from the
  context that the record names.
- A name that no record has is a Pod of the project's context and namespace (``monopod.yaml``), or else of the current
  context, if there is a kubeconfig.
- `monopod cancel` considers only active runs, recorded or not. It never chooses one of several. If there is none, it is
  the latest run of this project if that was detached, or its record stopped before its end.

`choose` finds records (``records.store``), ``cancellation`` active runs; ``kubernetes.existing`` looks into clusters.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from monopod.runner.commands.options.cluster import is_kubectl_plugin
from monopod.runner.records.store import Record, RecordError, choose, named, own_project, records, records_root

if TYPE_CHECKING:
    from monopod.runner.cancellation import ActiveRun

KINDS = ("pod", "pods", "po", "pipelinerun.tekton.dev", "taskrun.tekton.dev")
"""The prefixes that the name of a run may have: its Pod has the same name."""


class NoSuchRunError(Exception):
    """No run is called so, or several are. The text is for people."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user typed: the name of a run, and the options that name a cluster.

    ``project_context`` and ``project_namespace`` are those of the project, for Pods that no option and no record place.
    """

    name: str | None
    context: str | None = None
    namespace: str | None = None
    is_plugin: bool = False
    project_context: str | None = None
    project_namespace: str | None = None

    @property
    def is_in_cluster(self) -> bool:
        """Whether it names a cluster."""
        return self.context is not None or self.namespace is not None or self.is_plugin

    @property
    def bare_name(self) -> str | None:
        """The name without its kind."""
        kind, slash, rest = (self.name or "").partition("/")
        return rest if slash and kind.lower() in KINDS else self.name

    def pod(self, name: str, record: Record | None = None, remark: str = "") -> PodReference:
        """Return the Pod called `name` where the options say, else its record, the project or the current context."""
        recorded = (None, None) if record is None else (record.header.context, record.header.namespace)
        context = self.context or recorded[0] or self.project_context
        return PodReference(name, self.namespace or recorded[1] or self.project_namespace, context, record, remark)

    def covers(self, record: Record) -> bool:
        """Return whether a recorded run may be in this cluster and namespace."""
        header = record.header
        return (
            header.backend == "kubernetes"
            and self.context in (None, header.context)
            and self.namespace in (None, header.namespace)
        )


def wanted(arguments: argparse.Namespace, name: str | None) -> Wanted:
    """Return what a command line with `add_cluster_options` names. Raises Problems if ``monopod.yaml`` is invalid."""
    from monopod.runner.commands.options.project import project_of  # noqa: PLC0415  # not needed for --help

    project = project_of(arguments)
    context, namespace = (
        (None, None) if project is None else (project.configuration.context, project.configuration.namespace)
    )
    return Wanted(name, arguments.context, arguments.namespace, is_kubectl_plugin(), context, namespace)


@dataclass(frozen=True, slots=True)
class PodReference:
    """A run in a cluster: the name of its Pod, as the user may type it.

    ``record`` is what is recorded of it. ``remark`` is why it is searched in the cluster, if that needs an explanation.
    """

    name: str
    namespace: str | None
    context: str | None
    record: Record | None = None
    remark: str = ""


Found: TypeAlias = Record | PodReference


def find_run(wanted: Wanted) -> Found:
    """Return the run to read. Raises NoSuchRunError."""
    if wanted.is_in_cluster:
        return _in_cluster(wanted)
    try:
        record = choose(records_root(), wanted.bare_name, own_project())
    except RecordError as error:
        from monopod.runner.kubernetes.access import is_configured  # noqa: PLC0415  # only for runs without a record

        if wanted.name is None or not is_configured():
            raise NoSuchRunError(str(error)) from error
        return wanted.pod(wanted.name, remark=str(error).partition(";")[0])
    return pod_of(record) if _is_only_in_cluster(record) else record


def pod_of(record: Record) -> PodReference:
    """Return the Pod of a recorded run."""
    return PodReference(record.header.name, record.header.namespace, record.header.context or None, record)


def _is_only_in_cluster(record: Record) -> bool:
    return record.header.backend == "kubernetes" and record.status in ("Unknown", "Detached")


def _in_cluster(wanted: Wanted) -> PodReference | Record:
    own = [record for record in records(records_root()) if wanted.covers(record)]
    if wanted.name is not None:
        record = next(iter(named(wanted.bare_name or "", own)), None)
        return wanted.pod(wanted.name, record)
    project = own_project()
    latest = next((record for record in own if record.header.project == project), None)
    if latest is None:
        raise NoSuchRunError("no run of this project was recorded in this cluster; name its Pod")
    return pod_of(latest) if _is_only_in_cluster(latest) else latest


# Active runs


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An active run: how it is reached, its record if it has one, and what it can be called."""

    target: ActiveRun | PodReference
    record: Record | None

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def names(self) -> tuple[str, ...]:
        own = (self.target.name,) if isinstance(self.target, PodReference) else (self.target.name, self.target.identity)
        return own if self.record is None else (*own, self.record.identity, self.record.header.pipeline)

    @property
    def project(self) -> str:
        if self.record is not None:
            return self.record.header.project
        return "" if isinstance(self.target, PodReference) else self.target.project


def find_active_run(wanted: Wanted) -> ActiveRun | PodReference:
    """Return the run to cancel. Raises NoSuchRunError, OSError."""
    candidates = _active()
    if wanted.is_in_cluster:
        candidates = [each for each in candidates if each.record is not None and wanted.covers(each.record)]
    name = wanted.bare_name
    selected = _selected(candidates, name)
    if wanted.is_in_cluster and name is not None and len(selected) != 1:
        return wanted.pod(wanted.name or name)
    if len(selected) == 1:
        return selected[0].target
    if not selected and name is None:
        latest = _latest_in_cluster(wanted)
        if latest is not None:
            return pod_of(latest)
    if not selected and name is not None:
        found = _ended_or_in_cluster(wanted, name, candidates)
        if found is not None:
            return found
    if wanted.is_in_cluster and not selected:
        raise NoSuchRunError("no active run in this cluster is recorded here; name its Pod")
    raise NoSuchRunError(_selection_error(candidates, selected, name))


def _active() -> list[_Candidate]:
    from monopod.runner.cancellation import active_runs  # noqa: PLC0415  # only for `monopod cancel`
    from monopod.runner.kubelet.state_directory import root_path  # noqa: PLC0415

    recorded = [record for record in records(records_root()) if record.is_locked]
    by_directory = {record.header.state_directory: record for record in recorded}
    here = [_Candidate(run, by_directory.get(run.directory)) for run in active_runs(root_path())]
    return [
        *here,
        *(_Candidate(pod_of(record), record) for record in recorded if record.header.backend == "kubernetes"),
    ]


def _selected(candidates: Sequence[_Candidate], name: str | None) -> list[_Candidate]:
    """Return the active runs that `name` selects; runs that share a name are selected by their identity."""
    if name is None:
        project = own_project()
        return [each for each in candidates if each.project == project]
    return [each for each in candidates if each.name == name] or [each for each in candidates if name in each.names]


def _latest_in_cluster(wanted: Wanted) -> Record | None:
    """Return the latest run of this project, in the cluster named if one is, if only the cluster knows how it goes."""
    project = own_project()
    own = (record for record in records(records_root()) if record.header.project == project)
    latest = next((record for record in own if not wanted.is_in_cluster or wanted.covers(record)), None)
    return latest if latest is not None and _is_only_in_cluster(latest) else None


def _ended_or_in_cluster(wanted: Wanted, name: str, candidates: Sequence[_Candidate]) -> PodReference | None:
    """Return the Pod of a run that no process of this machine follows; None if no run is called so.

    Raises NoSuchRunError if the run has ended.
    """
    matching = named(name, records(records_root()))
    if matching:
        record = matching[0]
        if _is_only_in_cluster(record):
            return pod_of(record)
        raise NoSuchRunError(f"run '{record.identity}' has ended")
    from monopod.runner.kubernetes.access import is_configured  # noqa: PLC0415  # only for runs without a record

    if not is_configured():
        return None
    remark = _selection_error(candidates, (), name).partition(";")[0]
    return wanted.pod(wanted.name or name, remark=remark)


def _selection_error(candidates: Sequence[_Candidate], selected: Sequence[_Candidate], name: str | None) -> str:
    from monopod.compiler.diagnostics import did_you_mean  # noqa: PLC0415  # only for errors

    if selected:
        what = "several runs are active" if name is None else f"several runs are named '{name}'"
        return f"{what}; choose one: {', '.join(_unique_names(selected))}"
    if not candidates:
        return f"no run '{name}'; you have no active run" if name is not None else "you have no active run"
    listed = ", ".join(_unique_names(candidates))
    if name is None:
        return f"you have no active run in this project; active runs: {listed}"
    return f"no run '{name}'{did_you_mean(name, [each.name for each in candidates])}; active runs: {listed}"


def _unique_names(candidates: Sequence[_Candidate]) -> list[str]:
    from monopod.runner.cancellation import unique_names  # noqa: PLC0415  # only for `monopod cancel`

    pods = [each.name for each in candidates if isinstance(each.target, PodReference)]
    return [*unique_names([each.target for each in candidates if not isinstance(each.target, PodReference)]), *pods]


def active_names() -> list[str]:
    """Return a unique name of each run that can be cancelled. Raises OSError."""
    return _unique_names(_active())
