"""The Plan: all that the coordinator must know to run one Pipeline, as the compiler leaves it.

Rules:

- Standard library only, since the coordinator imports it at every start. Named tuples, since a dataclass takes four
  times as long to be made.
- Texts in a Plan are *templates*: what the author wrote, with its ``$(...)`` references still in place. They are
  evaluated once, while running, against a scope (``monopod.schemas.variables``); a value is never scanned for
  references again. What the Pod's own fields need (images, volumes, static environment) is in the Pod, not here.
- Durations are seconds (float). ``None`` means "no limit" wherever a timeout is meant.
- Collections are tuples; mappings are tuples of pairs where their order matters.

What is left to others: making a Plan (``monopod.compiler``), deciding what runs next (``coordinator.engine``).
"""

from __future__ import annotations

import base64
import json
import types
import typing
import zlib
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from monopod.schemas.capacity.shares import Requests

Value: TypeAlias = str | tuple[str, ...] | dict[str, str]
"""A param or Result: string, array or object. In a Plan its strings are templates."""

ValueType: TypeAlias = Literal["string", "array", "object"]

PLAN_VERSION = 5
PIECE_BYTES = 96 * 1024
"""Longest piece of an encoded Plan: the kernel takes 128 KiB for one argument of a program, its NUL included."""


class Param(NamedTuple):
    """One param handed to a Task or a Pipeline; ``value`` is a template in the scope of the giver."""

    name: str
    value: Value


class WhenExpression(NamedTuple):
    """A guard: ``input`` is (not) among ``values``, or the CEL expression ``cel`` is true.

    An element of ``values`` that is a whole-array reference (``$(params.list[*])``) expands to all its elements.
    """

    input: str = ""
    operator: Literal["in", "notin"] = "in"
    values: tuple[str, ...] = ()
    cel: str = ""


class ResultDeclaration(NamedTuple):
    """A Result that a Task, Step or Pipeline declares.

    ``properties`` are the keys that an object Result must have. ``value`` is the template a Pipeline Result is computed
    from, or a Task Result that is taken from a Step's Result; ``None``: the Steps write it to its file.
    """

    name: str
    type: ValueType = "string"
    properties: tuple[str, ...] = ()
    value: Value | None = None


class Step(NamedTuple):
    """One Step (or the program of a Sidecar): what the entrypoint of its container is asked to run.

    Exactly one of ``script`` and ``command`` + ``args`` is used: with a ``script`` the ``args`` are the script's. With
    neither, it is what the image says (`Slot.image_programs`), to which ``args`` may be added.
    ``environment`` holds only what cannot be said in the Pod because it refers to something known while running.
    ``params`` are a StepAction's, evaluated in the Task's scope; a template refers to them as ``step.params.x``.
    ``variables`` are references that are fixed only for this Step (``step.results.digest.path`` and the like).
    ``timeout`` and ``on_error`` are as in Tekton docs/tasks.md; ``on_error`` may be a template.
    ``always``: it also runs after an earlier Step of the attempt has failed, which stays the reason of the failure. It
    does not run once the attempt is cut off. Only the compiler sets it, for Steps that it adds.
    ``reason_result``: the Step Result in which it says why it fails; then that is the reason of the attempt's failure,
    instead of the exit code. Only the compiler sets it, for Steps that it adds.
    ``hold_before`` and ``hold_on_failure`` are breakpoints (Tekton docs/debug.md).
    """

    name: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    script: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str | None = None
    timeout: float | None = None
    on_error: str = "stopAndFail"
    stdout_path: str | None = None
    stderr_path: str | None = None
    results: tuple[ResultDeclaration, ...] = ()
    when: tuple[WhenExpression, ...] = ()
    params: tuple[Param, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    always: bool = False
    reason_result: str = ""
    hold_before: bool = False
    hold_on_failure: bool = False


class Probe(NamedTuple):
    """A readinessProbe of a Sidecar (Kubernetes API, Probe). Exactly one of the actions is set. Times in seconds."""

    command: tuple[str, ...] = ()
    http_url: str | None = None
    http_headers: tuple[tuple[str, str], ...] = ()
    tcp_host: str = "127.0.0.1"
    tcp_port: int | None = None
    initial_delay: float = 0
    period: float = 10
    timeout: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3


class Sidecar(NamedTuple):
    """A Sidecar of a Task: runs from before the first Step until after the last."""

    step: Step
    readiness: Probe | None = None


class ImageProgram(NamedTuple):
    """What an image says to run: its ENTRYPOINT and its CMD, word for word (nothing in them is a reference)."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()


class Slot(NamedTuple):
    """The containers in which one Task instance runs: one per Step and one per Sidecar, in the order of the Task's.

    A container of Steps may be listed more than once, and in several slots: it runs these Steps one after another
    (packing). None of them can overlap. A Sidecar's container is its own.

    ``image_programs`` are, Step for Step and then for the Sidecars, what their images say to run: ``None``
    where the Step or Sidecar says it itself. It is empty if all do. ``restarts``: a killed container is restarted.
    ``directory`` names the volumes that it shares with other slots, one after the other; empty if it has its own.
    ``cleaned``: for each Step, the directories that are cleaned before it because others used its container. It is
    empty if nothing is cleaned.
    """

    name: str
    containers: tuple[str, ...]
    sidecars: tuple[str, ...] = ()
    image_programs: tuple[ImageProgram | None, ...] = ()
    restarts: bool = False
    directory: str = ""
    cleaned: tuple[tuple[str, ...], ...] = ()

    @property
    def all_containers(self) -> tuple[str, ...]:
        """Its containers, each once: those of the Steps, then those of the Sidecars."""
        return tuple(dict.fromkeys((*self.containers, *self.sidecars)))

    @property
    def volumes(self) -> str:
        """The name of the volumes that it uses."""
        return self.directory or self.name

    def program_of_step(self, position: int) -> ImageProgram | None:
        """Return what the image of a Step says to run, if that is what is to run."""
        return self.image_programs[position] if self.image_programs else None

    def program_of_sidecar(self, position: int) -> ImageProgram | None:
        """Return what the image of a Sidecar says to run, if that is what is to run."""
        return self.image_programs[len(self.containers) + position] if self.image_programs else None


class MatrixInclude(NamedTuple):
    """One entry of ``matrix.include``: further params for the combinations it matches, or a combination of its own."""

    name: str
    params: tuple[Param, ...] = ()


class Matrix(NamedTuple):
    """A fan-out of a Task over combinations of params (Tekton docs/matrix.md).

    ``pinned``: combination *i* must run in slot *i*, because the containers of the slot were made for it; otherwise any
    combination may run in any free slot of the Task.
    ``fail_fast``: the first combination that fails for good fails the Task. ``completion`` is ``any`` if the first
    combination that succeeds makes the Task succeed. In both cases the other combinations are stopped.
    """

    params: tuple[Param, ...] = ()
    include: tuple[MatrixInclude, ...] = ()
    pinned: bool = False
    fail_fast: bool = False
    completion: Literal["all", "any"] = "all"


LEFT_OUT = "Task was left out"
"""The reason in ``skippedTasks`` of a Task that the command line leaves out."""
REUSED = "Task was reused"
"""The reason of a Task that succeeded in an earlier run."""
ELSEWHERE = "Task runs in another Pod"
"""The reason of a Task of another group: it runs, or has run, in the Pod of that group."""


class LeftOut(NamedTuple):
    """Why a PipelineTask does not run although nothing prevents it, and what other Tasks may use of it.

    ``reason`` and ``message`` are for ``skippedTasks``. ``results`` are its Results with their values, word for word.
    ``variables`` are further references with a fixed value, such as ``tasks.test.matrix.length``. ``reused``: the
    Results are those of an earlier run, or of another Pod, in which it succeeded; it counts as succeeded.
    ``group``: the group whose Pod hands over, when this Pod starts, what became of it. If it was skipped there, its
    reason is the reason there, and it counts as skipped for that reason.
    ``problem``: why what that group handed over cannot be used. The Task then counts as failed, and with it the run.
    """

    reason: str
    message: str = ""
    results: tuple[Param, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    reused: bool = False
    group: str = ""
    problem: str = ""

    @property
    def lets_others_run(self) -> bool:
        """Whether the Tasks after it run although it does not."""
        return self.reason in (LEFT_OUT, REUSED, ELSEWHERE)


class Task(NamedTuple):
    """A PipelineTask of the Plan: a Task with its params bound, or a whole Pipeline (``pipeline``).

    ``name`` is unique within its Pipeline. ``after`` names every PipelineTask of the same Pipeline that must have ended
    before this one starts: by ``runAfter`` or because it uses their Results (``result_sources``).
    ``timeout`` limits one attempt. ``retry_delay`` is from the end of an attempt to the start of the next one.
    ``variables`` are references with a fixed value, such as ``workspaces.source.path``. Without ``context.task.name``
    among them, that is the name of the TaskRun.
    ``source`` is the key in `Plan.sources` of a Task that is referred to; empty if it is embedded.
    ``left_out``: it does not run. It has no Steps, slots or Pipeline.
    ``after_success``: one of `finally` that is skipped unless its Pipeline succeeds without it.
    """

    name: str
    task_name: str = ""
    display_name: str = ""
    after: tuple[str, ...] = ()
    result_sources: tuple[str, ...] = ()
    when: tuple[WhenExpression, ...] = ()
    params: tuple[Param, ...] = ()
    matrix: Matrix | None = None
    retries: int = 0
    timeout: float | None = None
    on_error: str = "stopAndFail"
    steps: tuple[Step, ...] = ()
    sidecars: tuple[Sidecar, ...] = ()
    results: tuple[ResultDeclaration, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    slots: tuple[Slot, ...] = ()
    pipeline: Pipeline | None = None
    source: str = ""
    retry_delay: float = 0.0
    left_out: LeftOut | None = None
    after_success: bool = False


class Pipeline(NamedTuple):
    """A Pipeline of the Plan. Its ``params`` are templates in the scope of its PipelineTask; fixed at the top.

    ``variables`` are references with a fixed value, such as ``workspaces.source.bound``. Without
    ``context.pipeline.name`` among them, that is the name of the PipelineRun.
    ``source`` is the key in `Plan.sources` of a Pipeline that is referred to; empty if it is embedded.
    """

    name: str
    params: tuple[Param, ...] = ()
    tasks: tuple[Task, ...] = ()
    final_tasks: tuple[Task, ...] = ()
    results: tuple[ResultDeclaration, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None
    tasks_timeout: float | None = None
    finally_timeout: float | None = None
    source: str = ""

    @property
    def all_tasks(self) -> tuple[Task, ...]:
        """Its own PipelineTasks, `finally` last."""
        return (*self.tasks, *self.final_tasks)


class PlannedTask:
    """A PipelineTask and where it is in the Plan: `path` is the names that lead to it, joined by slashes.

    ``after`` are the paths of the Tasks that it waits for, including the Tasks that the outer Pipelines wait for.
    ``is_final``: it, or a Pipeline around it, is one of `finally`.
    """

    def __init__(self, path: str, task: Task, after: tuple[str, ...], *, is_final: bool) -> None:
        self.path = path
        self.task = task
        self.after = after
        self.is_final = is_final


def walk(
    pipeline: Pipeline, prefix: str = "", after: tuple[str, ...] = (), *, is_final: bool = False
) -> typing.Iterator[PlannedTask]:
    """Yield each PipelineTask of a Pipeline, `finally` last; the Tasks of a nested Pipeline follow its PipelineTask."""
    for tasks, final in ((pipeline.tasks, is_final), (pipeline.final_tasks, True)):
        for task in tasks:
            path = prefix + task.name
            all_after = (*after, *(prefix + name for name in task.after))
            yield PlannedTask(path, task, all_after, is_final=final)
            if task.pipeline is not None:
                yield from walk(task.pipeline, path + "/", all_after, is_final=final)


def runnable_tasks(pipeline: Pipeline) -> typing.Iterator[PlannedTask]:
    """Yield the PipelineTasks that have Steps, which do not run a Pipeline."""
    return (planned_task for planned_task in walk(pipeline) if planned_task.task.pipeline is None)


def reused_containers(pipeline: Pipeline) -> frozenset[str]:
    """Return the containers that may run several requests: of several Steps, attempts or combinations of a matrix."""
    once: set[str] = set()
    reused: set[str] = set()
    for task, slot in ((each.task, slot) for each in walk(pipeline) for slot in each.task.slots):
        runs_again = task.retries > 0 or (task.matrix is not None and not task.matrix.pinned)
        for name in (*slot.containers, *slot.sidecars):
            (reused if runs_again or name in once else once).add(name)
    return frozenset(reused)


class Plan(NamedTuple):
    """A compiled run.

    ``document`` is the PipelineRun or TaskRun that is being run, as JSON (``apiVersion``, ``kind``, ``metadata``,
    ``spec``): what was given, or what the compiler made for a bare Pipeline or Task. The coordinator adds ``status``.
    A TaskRun is a Pipeline of a single Task; ``document`` shows which it is.
    ``sources`` holds each Pipeline and Task that is referred to, once: its ``spec`` as it is written, and its
    ``refSource`` if it was fetched. It is for the status of the finished run; nothing that runs depends on it.
    ``max_parallel``: how many TaskRuns may run at the same time, in the whole run; ``None`` means "no limit".
    ``container_start_timeout``: how long a Task waits for a container that does not start before it fails.
    ``hands_over``: the Tasks (``tasks.build``) and variables (``tasks.build.results.digest``) that the Pods of other
    groups need after this one.
    ``shrinkable``: the requests of the Pod, which the coordinator lowers while the run continues; empty if it does not.
    """

    pipeline: Pipeline
    document: dict[str, Any]
    container_start_timeout: float = 600.0
    stop_grace: float = 10.0
    sources: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it
    version: int = PLAN_VERSION
    max_parallel: int | None = None
    hands_over: tuple[str, ...] = ()
    shrinkable: tuple[Requests, ...] = ()


_XZ = b"\xfd7zXZ\0"
"""How a file of xz begins: the Plans of an Indexed Job."""


def encode(plan: Plan) -> tuple[str, ...]:
    """Return the Plan as pieces of ASCII text, each short enough for one argument; equal Plans give equal pieces."""
    fields = {"version": plan.version, **_to_json(plan)}  # also where it is the default, which is another elsewhere
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    data = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return tuple(data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))


def encode_shards(plans: typing.Iterable[Plan]) -> tuple[str, ...]:
    """Return Plans that are almost equal as pieces of text, as `encode` does."""
    import lzma  # noqa: PLC0415  # only Indexed Jobs need it; zlib does not find what is repeated after 32 KiB

    fields = [{"version": plan.version, **_to_json(plan)} for plan in plans]
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    data = base64.b64encode(lzma.compress(text.encode(), preset=9)).decode()
    return tuple(data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))


def decode(pieces: typing.Iterable[str], index: int = 0) -> Plan:
    """Return the Plan that `encode` was given, or the one with an index that `encode_shards` was given.

    Raises ValueError for anything else.
    """
    try:
        fields = _fields_of(base64.b64decode("".join(pieces), validate=True), index)
    except (ValueError, IndexError, zlib.error) as error:
        raise ValueError(f"this is not an encoded Plan: {error}") from error
    if not isinstance(fields, dict) or fields.get("version") != PLAN_VERSION:
        raise ValueError("this Plan was made by another version of monopod; compile the Pipeline again")
    return _from_json(Plan, fields)


def _fields_of(data: bytes, index: int) -> Any:
    if not data.startswith(_XZ):
        return json.loads(zlib.decompress(data))
    import lzma  # noqa: PLC0415  # only Indexed Jobs need it

    try:
        text = lzma.decompress(data)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from error
    return json.loads(text)[index]


def encodable(record: Task | Pipeline) -> dict[str, Any]:
    """Return a part of a Plan as plain data, without the fields that have their defaults."""
    return typing.cast("dict[str, Any]", _to_json(record))


def _to_json(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    record: Any = value
    if not _is_record(type(record)):
        return [_to_json(item) for item in record]
    defaults = record._field_defaults
    fields = zip(record._fields, record, strict=True)
    return {name: _to_json(item) for name, item in fields if name not in defaults or item != defaults[name]}


def _is_record(kind: Any) -> bool:
    """Whether it is one of the classes of this module."""
    return hasattr(kind, "_fields")


_T = TypeVar("_T")


def _from_json(kind: type[_T], fields: dict[str, Any]) -> _T:
    decoders = _field_decoders(kind)  # type: ignore[arg-type]  # a class is hashable
    return kind(**{name: decoders[name](value) for name, value in fields.items()})


@cache
def _field_decoders(kind: type[Any]) -> dict[str, typing.Callable[[Any], Any]]:
    return {name: _decoder(hint) for name, hint in typing.get_type_hints(kind).items()}


def _decoder(hint: Any) -> typing.Callable[[Any], Any]:
    """Return what turns JSON into a value of the annotation `hint`, of the forms that this module uses."""
    origin = typing.get_origin(hint)
    if _is_record(hint):
        return lambda value: _from_json(typing.cast(type, hint), value)
    if origin is tuple:
        item_hints = typing.get_args(hint)
        if item_hints[-1] is Ellipsis:
            item = _decoder(item_hints[0])
            return lambda value: tuple(item(element) for element in value)
        return tuple
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(typing.get_args(hint))
    return lambda value: value


def _union_decoder(hints: tuple[Any, ...]) -> typing.Callable[[Any], Any]:
    """A union here is `X | None` for a record X, or holds at most one kind of array and one kind of mapping."""
    record = next((hint for hint in hints if _is_record(hint)), None)

    def decode_value(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(value)
        if isinstance(value, dict) and record is not None:
            return _from_json(typing.cast(type, record), value)
        return value

    return decode_value
