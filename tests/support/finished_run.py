"""The output of `monopod run -o json`, for comparing runs with each other and with the expected outcome."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_OUTPUT = re.compile(r"\[([^\]\s]+(?:\[\d+\])?) : ([^\]\s]+)\] ?(.*)", re.DOTALL)
_PASSING = {
    "startTime", "completionTime", "finallyStartTime", "lastTransitionTime", "startedAt", "finishedAt", "container",
    "imageID", "containerID", "pipelineSpec", "taskSpec",
}  # fmt: skip
"""Fields that may differ from run to run: times, containers and images, and specs with paths of the machine."""
_ENTRYPOINT_SAYS = re.compile(
    r"exit code \d|cannot run |stopped: |the Step exceeded |killed: |OOMKilled: |Cancelled: |skipped: "
    r"|its container was killed"
)


@dataclass(frozen=True)
class FinishedRun:
    """The exit code, standard output, and the lines of standard error."""

    code: int
    output: str
    messages: list[str]

    @property
    def document(self) -> dict[str, Any]:
        assert self.output, "\n".join(self.messages)
        document: dict[str, Any] = json.loads(self.output)
        return document

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.document["status"]
        return status

    @property
    def condition(self) -> dict[str, Any]:
        condition: dict[str, Any] = self.status["conditions"][0]
        return condition

    def tasks(self) -> dict[str, dict[str, Any]]:
        """The status of each TaskRun and nested PipelineRun by its path; matrix combinations have a number."""
        return dict(_tasks(self.status)) if self.document["kind"] == "PipelineRun" else {}

    def reasons(self) -> dict[str, str]:
        return {name: status["conditions"][0]["reason"] for name, status in self.tasks().items()}

    def skipped(self) -> dict[str, str]:
        return {each["name"]: each["reason"] for each in self.status.get("skippedTasks", ())}

    def results(self) -> dict[str, Any]:
        return {each["name"]: each["value"] for each in self.status.get("results", ())}

    def steps(self, task: str) -> dict[str, dict[str, Any]]:
        return {each["name"]: {**each, **each.get("terminated", {})} for each in self.tasks()[task]["steps"]}

    def lines(self, step: str) -> list[str]:
        """The output of a Step, named "task/step"."""
        found = [match for line in self.messages if (match := _OUTPUT.fullmatch(line))]
        written = (match[3] for match in found if f"{match[1]}/{match[2]}" == step)
        return [line for line in written if not _ENTRYPOINT_SAYS.match(line)]

    def all_lines(self) -> dict[str, list[str]]:
        """The output of each Step; without Sidecars, which may be stopped at any point."""
        steps = {f"{match[1]}/{match[2]}" for line in self.messages if (match := _OUTPUT.fullmatch(line))}
        return {step: self.lines(step) for step in sorted(steps) if "sidecar" not in step}

    def comparable(self) -> dict[str, Any]:
        """The document without the parts that differ between runs, and with the same name for every run."""
        document = self.document
        text = json.dumps(document).replace(document["metadata"]["name"], "NAME")
        compared: dict[str, Any] = json.loads(text.replace(document["metadata"]["uid"], "UID"), object_hook=_lasting)
        return compared


def _tasks(status: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    runs = [*status.get("taskRuns", {}).values(), *status.get("pipelineRuns", {}).values()]
    names = [each["pipelineTaskName"] for each in runs]
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        path = above + (f"{name}[{names[:number].count(name)}]" if names.count(name) > 1 else name)
        yield path, run["status"]
        yield from _tasks(run["status"], f"{path}/")


def _lasting(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in _PASSING}
