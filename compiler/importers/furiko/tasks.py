"""A Job's template as a Pipeline of one Task, and as the fields of the run's Pod.

Rules (Furiko's pkg/execution/util/parallel and pkg/execution/taskexecutor/podtaskexecutor):

- The Pod's initContainers and its container are the Steps of the Task: they run one after another.
- Each index of `parallelism` is a combination of the Task's matrix, in the same order; without it, ``index_num`` is 0.
  With ``--shard-by``, the values are in an array param of the Pipeline: each index of a Job has its part of them.
- With ``AllSuccessful``, the first index that fails for good stops the others; with ``AnySuccessful``, the first that
  succeeds does.
- ``maxAttempts`` counts the first attempt, ``retries`` does not. ``retry_index`` begins with 0 in both.
- Labels and annotations of the Pod take precedence over those of the Job: there is one Pod for both.
- ``taskPendingTimeoutSeconds`` is how long a container may take to start; 0 is no limit.
- The Pod's ``activeDeadlineSeconds`` is the limit of an attempt. A Job itself has no limit.

Left to others: which variables there are (``documents``) and where they are replaced (``context_variables``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.documents.own_annotations import COMPLETION, FAIL_FAST, RETRY_DELAY, START_TIMEOUT
from monopod.compiler.documents.validation import Complaint
from monopod.compiler.importers.containers import POD_FIELDS, to_step
from monopod.compiler.importers.furiko.context_variables import ContextVariables
from monopod.compiler.importers.imported import Sourced, without_nothing
from monopod.schemas.foreign.furiko import FurikoJobTemplate, FurikoMetadata, FurikoParallelism
from monopod.schemas.model import Path

TASK = "task"
"""The name of the Task: Furiko's own word for what a Job runs."""


@dataclass(frozen=True, slots=True)
class Index:
    """A part of a task's index: Furiko's name for it, the param that holds it, and its values.

    ``is_split``: the values are in an array param of the Pipeline.
    """

    variable: str
    param: str
    values: Sourced
    is_split: bool = False

    def declared(self) -> Sourced:
        """Return the param of the Pipeline that holds the values."""
        return Sourced({"name": self.param, "type": "array", "default": self.values}, self.values.path)

    def in_matrix(self) -> Sourced:
        """Return the param of the Task's matrix."""
        split = Sourced(reference(self.param).replace(")", "[*])"), self.values.path)
        return Sourced({"name": self.param, "value": split if self.is_split else self.values}, self.values.path)


def indices(parallelism: FurikoParallelism | None, path: Path, taken: frozenset[str], split: str) -> list[Index]:
    """Return the parts of the index of `parallelism`, at a path, the fastest first.

    `taken` are the names of other params; `split` is the param that is divided among the indexes of a Job.
    """
    return [replace(part, is_split=part.param == split) for part in _parts(parallelism, path, taken)]


def _parts(parallelism: FurikoParallelism | None, path: Path, taken: frozenset[str]) -> list[Index]:
    if parallelism is None:
        return []
    if parallelism.with_count is not None:
        values = [str(number) for number in range(parallelism.with_count)]
        return [Index("index_num", _free("index_num", taken), Sourced(values, (*path, "withCount")))]
    if parallelism.with_keys is not None:
        return [
            Index("index_key", _free("index_key", taken), Sourced(list(parallelism.with_keys), (*path, "withKeys")))
        ]
    matrix = parallelism.with_matrix or {}
    return [
        Index(f"index_matrix.{key}", _free(key, taken), Sourced(list(matrix[key]), (*path, "withMatrix", key)))
        for key in sorted(matrix, reverse=True)
    ]


def param_name(name: str) -> str:
    """Return a name for a param: Tekton's begin with a letter or ``_``."""
    return name if name[0].isalpha() or name[0] == "_" else f"_{name}"


def _free(name: str, taken: frozenset[str]) -> str:
    own = param_name(name)
    while own in taken:
        own += "_"
    return own


def reference(param: str) -> str:
    """Return Tekton's variable for a param."""
    return f'$(params["{param}"])' if "." in param else f"$(params.{param})"


def task_variables(template: FurikoJobTemplate, parts: list[Index]) -> dict[str, str]:
    """Return the texts of the variables of a task and of its Job's template, by name."""
    attempts = template.max_attempts or 1
    known = {
        "job.name": "$(context.pipelineRun.name)",
        "job.namespace": "$(context.pipelineRun.namespace)",
        "job.uid": "$(context.pipelineRun.uid)",
        "job.max_attempts": str(attempts),
        "task.name": "$(context.taskRun.name)",
        "task.namespace": "$(context.taskRun.namespace)",
        "task.retry_index": "0" if attempts == 1 else "$(context.task.retry-count)",
    }
    known |= {f"task.{part.variable}": reference(part.param) for part in parts}
    return known if parts else {**known, "task.index_num": "0"}


class TaskTranslation:
    """Makes the Task of one template at a path. `complaints` is what is wrong with its containers."""

    def __init__(
        self, template: FurikoJobTemplate, path: Path, parts: list[Index], variables: ContextVariables
    ) -> None:
        self._template = template
        self._path = path
        self._parts = parts
        self._variables = variables
        self._pod = template.task_template.pod
        self._pod_path: Path = (*path, "taskTemplate", "pod")
        self.complaints = tuple(_of_containers(template, (*self._pod_path, "spec")))

    def task(self) -> Sourced:
        """Return the Task of the Pipeline."""
        attempts, spec = self._template.max_attempts or 1, self._pod.spec
        limit = None if spec.active_deadline_seconds is None else f"{spec.active_deadline_seconds}s"
        names = [part.param for part in self._parts]
        task = {
            "params": [{"name": name, "type": "string"} for name in names],
            "metadata": self._policies(),
            "volumes": self._volumes(),
            "steps": list(self._steps()),
        }
        fields = {
            "name": TASK,
            "retries": Sourced(attempts - 1 or None, (*self._path, "maxAttempts")),
            "timeout": Sourced(limit, (*self._pod_path, "spec", "activeDeadlineSeconds")),
            "matrix": without_nothing({"params": [part.in_matrix() for part in self._parts]}),
            "taskSpec": Sourced(without_nothing(task), (*self._pod_path, "spec")),
        }
        return Sourced(without_nothing(fields), self._path)

    def run_template(self, origin: Path | None = None) -> dict[str, Any]:
        """Return the ``taskRunTemplate`` of a run; all is from `origin`, if it is given."""
        spec = self._pod.spec
        fields = spec.to_kubernetes()
        path: Path = (*self._pod_path, "spec")
        pod = {name: Sourced(fields.get(name), origin or (*path, name)) for name in POD_FIELDS}
        account = ("serviceAccountName", "serviceAccount")[not spec.service_account_name]
        return without_nothing(
            {
                "serviceAccountName": Sourced(fields.get(account), origin or (*path, account)),
                "podTemplate": without_nothing(pod),
            }
        )

    def metadata(self, origin: Path | None = None) -> dict[str, dict[str, Any]]:
        """Return the labels and annotations of the Pod; all are from `origin`, if it is given."""
        metadata = labels_and_annotations(self._pod.metadata, (*self._pod_path, "metadata"), origin)
        seconds = self._template.task_pending_timeout_seconds
        if seconds is not None:
            path = origin or (*self._path, "taskPendingTimeoutSeconds")
            metadata["annotations"][START_TIMEOUT] = Sourced(f"{seconds}s", path)
        return metadata

    def _policies(self) -> dict[str, Any]:
        """Return the metadata of the Task, whose annotations say how it is retried and when its matrix ends."""
        seconds, parallelism = self._template.retry_delay_seconds, self._template.parallelism
        policies = {RETRY_DELAY: Sourced(f"{seconds}s" if seconds else "", (*self._path, "retryDelaySeconds"))}
        if parallelism is not None:
            is_any = parallelism.completion_strategy == "AnySuccessful"
            strategy = Sourced("any" if is_any else "true", (*self._path, "parallelism", "completionStrategy"))
            policies[COMPLETION if is_any else FAIL_FAST] = strategy
        return without_nothing({"annotations": without_nothing(policies)})

    def _volumes(self) -> list[Sourced]:
        path: Path = (*self._pod_path, "spec", "volumes")
        volumes = enumerate(self._pod.spec.volumes)
        return [
            Sourced(self._variables.translate(volume.to_kubernetes(), (*path, index)), (*path, index))
            for index, volume in volumes
        ]

    def _steps(self) -> Iterator[Sourced]:
        spec = self._pod.spec
        for field, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
            for index, container in enumerate(containers):
                path: Path = (*self._pod_path, "spec", field, index)
                name = Sourced(container.name, (*path, "name"))
                yield Sourced(without_nothing({"name": name, **to_step(container, path, self._variables)}), path)


def labels_and_annotations(
    metadata: FurikoMetadata, path: Path, origin: Path | None = None
) -> dict[str, dict[str, Any]]:
    """Return the labels and annotations of an object at a path; all are from `origin`, if it is given."""
    fields: Mapping[str, Mapping[str, str]] = {"labels": metadata.labels, "annotations": metadata.annotations}
    return {
        field: {key: Sourced(text, origin or (*path, field, key)) for key, text in texts.items()}
        for field, texts in fields.items()
    }


def _of_containers(template: FurikoJobTemplate, path: Path) -> Iterator[Complaint]:
    """Yield an error for a Pod whose containers run side by side: the Steps of a Task do not."""
    if len(template.task_template.pod.spec.containers) > 1:
        message = (
            "several containers of a Pod run side by side in Furiko, and the Steps of a Task one after another; "
            "write a Job for each, or initContainers for what comes first"
        )
        yield Complaint((*path, "containers", 1), message, "unsupported")
