"""Fan-out: the params that the matrix of a PipelineTask sets, and the number of slots that it runs in.

Rules (Tekton docs/matrix.md):

- A matrix sets string params. A combination that does not set one of them needs the Task's default.
- If all values are known when compiling, each combination has a slot. Otherwise the combinations queue for
  `DEFAULT_SLOTS` slots. The annotation `MAX_CONCURRENCY`, on the run or on the Task, sets a limit for both.

Left to others: the combinations themselves (``monopod.schemas.matrix``), making slots (``slots``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.diagnostics import Problem, Report
from monopod.compiler.documents.annotations import Annotations, parse_limit, read
from monopod.compiler.documents.own_annotations import MAX_CONCURRENCY
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.params import enum_message, value_if_known
from monopod.compiler.scope.references import STRING, UNRESOLVED, Names, Shape, check_value, is_unresolved, shape_of
from monopod.schemas import plan
from monopod.schemas.matrix import Combination, TooManyCombinationsError, combinations_and_idle_entries
from monopod.schemas.plan import Value
from monopod.schemas.tekton.params import ParamSpec
from monopod.schemas.tekton.pipelines import Matrix
from monopod.schemas.variables import Path, Scope

DEFAULT_SLOTS = 4


@dataclass(frozen=True, slots=True)
class FanOut:
    """A matrix of a PipelineTask; ``combinations`` is None if they are known only while running.

    `unresolved`: they are unknown because of a reported problem. `problems` are problems with the matrix itself.
    """

    matrix: Matrix
    combinations: tuple[Combination, ...] | None
    unresolved: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of the params that the matrix sets, by name."""
        return dict.fromkeys(sorted(self.matrix.names()), UNRESOLVED if self.unresolved else STRING)

    def slots(self, limit: int | None) -> int:
        """Return the number of slots."""
        if self.combinations is None:
            return limit or DEFAULT_SLOTS
        return min(len(self.combinations), limit or len(self.combinations))

    def in_plan(self, *, pinned: bool) -> plan.Matrix:
        """Return the matrix for the Plan."""
        return plan.Matrix(
            tuple(plan.Param(param.name, param.value) for param in self.matrix.params),
            tuple(
                plan.MatrixInclude(entry.name, tuple(plan.Param(param.name, param.value) for param in entry.params))
                for entry in self.matrix.include
            ),
            pinned,
        )


def fan_out(matrix: Matrix, names: Names, values: Scope, place: Place) -> FanOut:
    """Return the fan-out of a matrix."""
    problems = list(_reference_problems(matrix, names, place))
    known = _known(matrix, values)
    if known is None:
        params = (*matrix.params, *(param for entry in matrix.include for param in entry.params))
        unresolved = any(is_unresolved(param.value, names) for param in params)
        return FanOut(matrix, None, unresolved, tuple(problems))
    try:
        combinations, idle = combinations_and_idle_entries(*known)
    except TooManyCombinationsError as error:
        return FanOut(matrix, (), problems=(*problems, place.problem("too-many-combinations", str(error))))
    for number in idle:
        name, texts = known[1][number]
        if name and any(texts.items() <= combination.items() for combination in combinations):
            continue  # its name is the displayName of those combinations
        message = "no combination lacks what this entry gives, and one has a value of it already, so it has no effect"
        problems.append(place.at("include", number).problem("idle-include", message, "warning"))
    return FanOut(matrix, combinations, problems=tuple(problems))


def _reference_problems(matrix: Matrix, names: Names, place: Place) -> Iterator[Problem]:
    for index, param in enumerate(matrix.params):
        where = place.at("params", index, "value")
        yield from check_value(param.value, names, where)
        shape = shape_of(param.value, names)
        if not shape.fits("array"):
            yield where.problem("param-type", f"a matrix needs an array, but this value is of type {shape.type}")
    for number, entry in enumerate(matrix.include):
        for index, param in enumerate(entry.params):
            yield from check_value(param.value, names, place.at("include", number, "params", index, "value"))


def _known(matrix: Matrix, values: Scope) -> tuple[dict[str, tuple[str, ...]], list[tuple[str, dict[str, str]]]] | None:
    """Return the arrays of a matrix and its entries of `include`; None if they are known only while running."""
    arrays: dict[str, tuple[str, ...]] = {}
    for param in matrix.params:
        value = value_if_known(param.value, values)
        if not isinstance(value, tuple):
            return None
        arrays[param.name] = value
    include: list[tuple[str, dict[str, str]]] = []
    for entry in matrix.include:
        texts = {param.name: value_if_known(param.value, values) for param in entry.params}
        strings = {name: text for name, text in texts.items() if isinstance(text, str)}
        if len(strings) < len(texts):
            return None
        include.append((entry.name, strings))
    return arrays, include


def check_combinations(fan: FanOut, declared: Sequence[ParamSpec], receiver: str, place: Place) -> Iterator[Problem]:
    """Yield a problem for each param of a matrix that does not fit the params of its Task."""
    names = fan.matrix.names()
    for spec in declared:
        if spec.name in names and spec.value_type != "string":
            message = f"a matrix gives strings, but the param '{spec.name}' of {receiver} is of type {spec.value_type}"
            yield place.problem("param-type", message)
    needed = [spec.name for spec in declared if spec.name in names and spec.default is None]
    for combination in fan.combinations or ():
        for spec in declared:
            if spec.enum and combination.get(spec.name, "") not in {"", *spec.enum}:
                yield place.problem("param-enum", enum_message(combination[spec.name], spec, receiver))
        missing = [name for name in needed if name not in combination]
        if missing:
            shown = ", ".join(f"{name}={value}" for name, value in combination.items())
            message = f"the combination {shown} lacks '{missing[0]}', for which {receiver} has no default"
            yield place.problem("missing-param", message)


def values_of(combination: Combination, defaults: Mapping[str, Value | None], values: Scope) -> Scope:
    """Return the values known in the slot of one combination; `defaults` are for params that it does not set."""
    params: dict[Path, Value] = {("params", name): value for name, value in defaults.items() if value is not None}
    params.update((("params", name), value) for name, value in combination.items())
    return Scope(params, values)


def max_concurrency(sources: Sequence[Annotations], report: Report) -> int | None:
    """Return the limit that these annotations set, None without one. A wrong annotation is added to the report."""
    limit = read(MAX_CONCURRENCY, sources, parse_limit, report)
    return None if limit is None else limit.value
