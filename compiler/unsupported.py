"""Fields that one Pod cannot do: each is refused by name, with the reason, so that nothing is ever silently ignored.

Left to others: what a single stage refuses for a reason of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from monopod.compiler.diagnostics import Problem
from monopod.compiler.places import Place
from monopod.schemas import tekton
from monopod.schemas.model import Model

_TEKTON_CONTROLLER = "tekton.dev/pipeline"
_NOT_RESTARTED = "a Sidecar runs from before the first Step until after the last, and is not restarted meanwhile"
_NO_TERMINAL = "a Sidecar has no terminal to talk to"
_NO_STATUS = "a run starts at once, and is cancelled with monopod cancel"
_NO_BREAKPOINTS = "a Step cannot be stopped for debugging"

_OF_SIDECARS = {
    "livenessProbe": _NOT_RESTARTED,
    "lifecycle": _NOT_RESTARTED,
    "restartPolicy": _NOT_RESTARTED,
    "stdin": _NO_TERMINAL,
    "stdinOnce": _NO_TERMINAL,
    "tty": _NO_TERMINAL,
}
_OF_RUNS = {"status": _NO_STATUS, "debug": _NO_BREAKPOINTS}


def in_task(spec: tekton.TaskSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a Task that are refused."""
    for index, sidecar in enumerate(spec.sidecars):
        yield from _refused(sidecar, _OF_SIDECARS, place.at("sidecars", index))


def in_run(spec: tekton.PipelineRunSpec | tekton.TaskRunSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a PipelineRun or TaskRun that are refused."""
    yield from _refused(spec, _OF_RUNS, place)
    if spec.managed_by not in {None, "", _TEKTON_CONTROLLER}:
        message = f"this run is for another controller, '{spec.managed_by}'; leave managedBy out"
        yield place.at("managedBy").problem("unsupported", message)


def _refused(model: Model, reasons: dict[str, str], place: Place) -> Iterator[Problem]:
    for name, value in model.to_kubernetes().items():
        if value and name in reasons:
            yield place.at(name).problem("unsupported", f"{reasons[name]}; leave {name} out")
