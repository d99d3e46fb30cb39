"""Which Tasks of a Pipeline a run leaves out, and the Results that they have all the same.

Rules:

- ``--only`` runs these Tasks, ``--from`` runs a Task and all that depend on it, and ``--skip`` leaves a Task out.
- Finally Tasks run unless ``--skip`` names them. If ``--only`` or ``--from`` names some of them, only those run.
- A Task that is left out counts in the order: what runs after it waits for what it would have waited for.
- If a Task that runs uses a Result of one that is left out, the Result must be given. A finally Task is then skipped
  instead, as in Tekton.
- Only the Tasks of the run's own Pipeline can be left out. A Pipeline that runs as a Task runs as a whole.

Left to others: the Results of an earlier run (``runner.records``), what the engine makes of it
(``coordinator.engine``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monopod.compiler.diagnostics import Problem, Report, closest, did_you_mean
from monopod.compiler.documents.option_values import parse_param
from monopod.compiler.documents.places import OptionPlace, Place
from monopod.compiler.scope.references import Shape
from monopod.compiler.scope.variables_in_scope import Outputs, variable_name
from monopod.compiler.tasks.ordering import Order
from monopod.schemas import plan
from monopod.schemas.plan import LEFT_OUT, LeftOut, Param, Value
from monopod.schemas.tekton.pipelines import PipelineSpec, PipelineTask
from monopod.schemas.variables import Path, parse_path, references


@dataclass(frozen=True, slots=True)
class Selection:
    """The Tasks that run, as on the command line; all by default.

    ``results`` are the values of ``--result TASK.NAME=VALUE``. ``earlier`` is what Tasks of an earlier run, or of other
    groups, leave to others, and why, if they do not run. ``start_option`` is the option that ``start`` comes from.
    """

    only: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    results: tuple[tuple[str, str, str], ...] = ()
    earlier: Mapping[str, LeftOut] = field(default_factory=dict)
    start_option: str = "--from"

    @property
    def named(self) -> Iterator[tuple[str, str]]:
        """Each option that names a Task, with the Task."""
        for option, names in (("--only", self.only), (self.start_option, self.start), ("--skip", self.skip)):
            yield from ((option, name) for name in names)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.only or self.start or self.skip or self.results)


EVERYTHING = Selection()


def without_pipeline(selection: Selection) -> Iterator[Problem]:
    """Yield what is wrong with a selection if the run is of a single Task."""
    named = [f"{option} {name}" for option, name in selection.named]
    for option in named or [f"--result {task}.{name}={value}" for task, name, value in selection.results]:
        message = "the run has a single Task, so there is nothing to choose; leave the option out"
        yield OptionPlace(option).problem("unknown-task", message)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The PipelineTasks to choose from, with their order, and the Results that they have for others."""

    spec: PipelineSpec
    place: Place
    orders: Mapping[str, Order]
    outputs: Mapping[str, Outputs]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all PipelineTasks."""
        return tuple(task.name for task in (*self.spec.tasks, *self.spec.finally_))

    def placed(self) -> Iterator[tuple[PipelineTask, Place]]:
        """Yield all PipelineTasks with their places."""
        for kind, tasks in (("tasks", self.spec.tasks), ("finally", self.spec.finally_)):
            yield from ((task, self.place.at(kind, index)) for index, task in enumerate(tasks))


def left_out_tasks(selection: Selection, candidates: Candidates, report: Report) -> dict[str, LeftOut]:
    """Return the PipelineTasks that do not run. What is wrong with the selection is reported."""
    if selection.is_empty:
        return {}
    unknown = list(_unknown_tasks(selection, candidates))
    report.extend(unknown)
    if unknown:
        return {}
    reasons = _reasons(selection, candidates)
    given = _given_results(selection, reasons, candidates, report)
    if len(reasons) == len(candidates.names):
        message = "no Task is left to run; name fewer Tasks with --skip"
        report.add(candidates.place.problem("nothing-to-run", message))
        return {}
    left_out = {
        name: _left_out(selection.earlier.get(name) or LeftOut(LEFT_OUT, message), name, given, candidates)
        for name, message in reasons.items()
    }
    report.extend(_missing_results(left_out, candidates))
    return left_out


def _unknown_tasks(selection: Selection, candidates: Candidates) -> Iterator[Problem]:
    names = candidates.names
    for option, name in selection.named:
        if name not in names:
            yield OptionPlace(f"{option} {name}").problem("unknown-task", _no_task(name, names))
    for task, name, value in selection.results:
        if task not in names:
            place = OptionPlace(f"--result {task}.{name}={value}")
            yield place.problem("unknown-task", _no_task(task, names))


def _no_task(name: str, names: Collection[str]) -> str:
    outer = name.partition("/")[0]
    if outer != name and outer in names:
        return f"the Pipeline that '{outer}' runs is run or left out as a whole; name '{outer}'"
    return f"there is no Task '{name}'{did_you_mean(name, names)}"


def _reasons(selection: Selection, candidates: Candidates) -> dict[str, str]:
    """Return the Tasks that are left out, each with the reason, in the order of the Pipeline."""
    chosen = {*selection.only, *_with_dependents(selection.start, candidates.orders)}
    options = [
        option for option, names in (("--only", selection.only), (selection.start_option, selection.start)) if names
    ]
    of_finally = {task.name for task in candidates.spec.finally_}
    limited = {*(candidates.names if chosen & of_finally else candidates.names[: len(candidates.spec.tasks)])}
    reasons = {}
    for name in candidates.names:
        if name in selection.skip:
            reasons[name] = "--skip names it"
        elif options and name in limited - chosen:
            reasons[name] = f"{' and '.join(options)} {'do' if len(options) > 1 else 'does'} not select it"
    return reasons


def _with_dependents(names: Iterable[str], orders: Mapping[str, Order]) -> set[str]:
    """Return the Tasks of these names and all that depend on them."""
    dependents: dict[str, list[str]] = {}
    for name, order in orders.items():
        for before in order.after:
            dependents.setdefault(before, []).append(name)
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += dependents.get(name, ())
    return reached


# The Results that are given


def _given_results(
    selection: Selection, left_out: Mapping[str, str], candidates: Candidates, report: Report
) -> dict[tuple[str, str], Value]:
    given: dict[tuple[str, str], Value] = {}
    for task, name, text in selection.results:
        place = OptionPlace(f"--result {task}.{name}={text}")
        outputs = candidates.outputs[task]
        shapes = outputs.shapes_for_others()
        if task not in left_out:
            message = f"the Task '{task}' runs and writes its own Results; leave it out with --skip {task}"
            report.add(place.problem("unknown-task", message))
        elif outputs.results is None:
            given[task, name] = ""  # what it runs is missing, which is reported
        elif name not in shapes:
            message = f"the Task '{task}' has no Result '{name}'{did_you_mean(name, shapes)}"
            report.add(place.problem("unknown-reference", message))
            given[task, closest(name, shapes) or name] = ""  # so that it is not reported as missing too
        else:
            try:
                given[task, name] = _value(text, shapes[name])
            except ValueError as error:
                report.add(place.problem("param-type", str(error)))
                given[task, name] = ""
    return given


def _value(text: str, shape: Shape) -> Value:
    """Return the value of a Result. Raises ValueError if the text has another type, or lacks keys."""
    value = parse_param(text, shape.type)
    missing = sorted((shape.keys or frozenset()) - value.keys()) if isinstance(value, dict) else ()
    if missing:
        raise ValueError(f"the object needs the keys {', '.join(missing)}")
    return value


def _left_out(earlier: LeftOut, task: str, given: Mapping[tuple[str, str], Value], candidates: Candidates) -> LeftOut:
    """Return a Task that is left out with the Results that are given, and the variables that follow from them."""
    results = {param.name: param.value for param in earlier.results}
    own = {name: value for (owner, name), value in given.items() if owner == task}
    if not own:
        return earlier
    params = tuple(Param(*each) for each in {**results, **own}.items())
    variables = {
        **dict(lengths(task, params) if candidates.outputs[task].has_matrix else ()),
        **dict(earlier.variables),
    }
    return earlier._replace(results=params, variables=tuple(variables.items()))


def lengths(task: str, results: Sequence[Param]) -> tuple[tuple[str, str], ...]:
    """Return the lengths of a matrix and of its Results, as variables of the Plan."""
    counts: dict[Path, int] = {("tasks", task, "matrix", each.name, "length"): len(each.value) for each in results}
    if counts:
        counts["tasks", task, "matrix", "length"] = max(counts.values())
    return tuple((variable_name(path), str(count)) for path, count in counts.items())


# The Results that are needed


def _missing_results(left_out: Mapping[str, LeftOut], candidates: Candidates) -> Iterator[Problem]:
    """Yield a problem for each Result that a Task needs and that is not given, where it is first used."""
    known = {
        *(("tasks", task, "results", param.name) for task, each in left_out.items() for param in each.results),
        *(parse_path(name) for each in left_out.values() for name, _ in each.variables),
    }
    reported: set[Path] = set()
    final = {task.name for task in candidates.spec.finally_}
    for task, place in candidates.placed():
        if task.name in left_out:
            continue
        for path, where in task_references(task, place):
            needed = needed_output(path)
            if needed is None or needed[1] not in left_out or needed in known or needed in reported:
                continue
            if left_out[needed[1]].group:
                continue  # it is handed over when the Pod starts
            if task.name in final and needed[2] == "results":
                continue  # Tekton skips it
            reported.add(needed)
            source = needed[1]
            yield where.problem("missing-result", _what_to_give(needed, left_out[source], candidates.outputs[source]))


def needed_output(path: Path) -> Path | None:
    """Return the part of a reference that names a Result, the length of a matrix, or an Artifact."""
    match path:
        case ("tasks", _, "results", _, *_):
            return path[:4]
        case ("tasks", _, "matrix", "length") | ("tasks", _, "matrix", _, "length"):
            return path
        case ("tasks", _, "outputs" | "inputs", _, *_):
            return path[:4]
    return None


def _what_to_give(needed: Path, source: LeftOut, outputs: Outputs) -> str:
    task, kind, name = needed[1], needed[2], needed[3]
    if source.reused:
        return f"the Task '{task}' is not repeated, and its record has no {'.'.join(needed[2:])}; use --from {task}"
    if source.message.startswith("it "):
        return f"the Task '{task}' is not repeated, but {source.message}; use --failed, or --from {task}"
    if kind in ("outputs", "inputs"):
        return f"the Task '{task}' is left out, and Artifacts cannot be given; do not leave it out"
    what = next(iter(outputs.shapes_for_others()), "") if needed[3:] == ("length",) else name
    if not what:
        return f"the Task '{task}' is left out, and the length of its matrix cannot be given; do not leave it out"
    return f"the Task '{task}' is left out; give its Result with --result {task}.{what}=VALUE"


def task_references(task: PipelineTask, place: Place) -> Iterator[tuple[Path, Place]]:
    """Yield the references in what the Pipeline says of a Task; an embedded Pipeline refers to its own Tasks."""
    fields = {name: value for name, value in task.to_kubernetes().items() if name != "pipelineSpec"}
    for where, text in _texts(fields, place):
        if "$(tasks" in text:
            yield from ((reference.path, where) for reference in references(text))


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, place.at(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, place.at(index))


def task_in_plan(task: PipelineTask, task_name: str, order: Order, left_out: LeftOut) -> plan.Task:
    """Return the Task of the Plan of a PipelineTask that is left out."""
    return plan.Task(
        name=task.name, task_name=task_name, after=order.after, result_sources=order.sources, left_out=left_out
    )
