"""Binding arguments to the params that a Pipeline, Task or StepAction declares.

Rules (Tekton docs/pipelines.md, tasks.md and pipelineruns.md, "Propagated Parameters"):

- An argument wins over an outer param of the same name (for an embedded spec), and the outer param over the default.
- A default that refers to its own param means the outer param. If the default is only this reference, or if the param
  has neither a default nor a type, the param also has the outer param's type.
- The keys of the default complete an object argument.
- A default may refer to other params of the same declaration. A default that is not used is not checked.
- A Pipeline's param that is passed to a Task's param with an enum needs an enum with a subset of its values. An empty
  value is not checked against an enum (docs/pipelines.md, "Param enum").
- An embedded spec can use an argument that it does not declare; a referenced spec never sees it.

A bound param is a template in the outer scope; `BoundParams.known` has the values that are known when compiling.
Left to others: checking the references in arguments (``references``), where the values come from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from monopod.compiler.diagnostics import Problem, Severity, did_you_mean
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.references import Names, Shape, check_value, is_unresolved, shape_of
from monopod.schemas.plan import Param, Value
from monopod.schemas.tekton.params import ParamSpec, not_strings
from monopod.schemas.variables import (
    Budget,
    MisfitError,
    Path,
    Reference,
    Scope,
    evaluate,
    only_reference,
    references_in,
)

NO_NAMES = Names({})
NO_VALUES = Scope({})
MAX_DEFAULTS = 100
"""The longest chain of defaults that refer to one another."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A value for a param, and where it is written. `unresolved`: it is wrong, which is reported already."""

    name: str
    value: Value
    place: Place
    unresolved: bool = False


@dataclass(frozen=True, slots=True)
class OuterScope:
    """The scope around a declaration, to which arguments may refer.

    ``values`` are known when compiling. ``inherited``: an embedded spec sees the params of this scope. ``enums`` has
    the enum of each of its string params, or an empty one.
    """

    names: Names = NO_NAMES
    values: Scope = NO_VALUES
    inherited: bool = False
    enums: Mapping[str, Sequence[str]] = field(default_factory=dict)


class KnownValues(Scope):
    """Values known when compiling; a param that is declared but not known hides an outer param."""

    def __init__(
        self,
        values: Mapping[Path, Value],
        unknown: AbstractSet[Path],
        outer: Scope | None = None,
        *,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(values, outer, budget=budget)
        self._unknown = unknown

    def get(self, path: Path) -> Value | None:
        """Return the value at `path`; None if there is none, or if it is known only while running."""
        return None if path in self._unknown or path[:2] in self._unknown else super().get(path)


@dataclass(frozen=True, slots=True)
class BoundParams:
    """The params of a Pipeline, Task or StepAction: templates for the Plan, their shapes, and the values known so far.

    ``budget`` is shared with the outer scope; ``problems`` are problems with the arguments and the defaults.
    """

    params: tuple[Param, ...]
    shapes: dict[Path, Shape]
    known: dict[Path, Value]
    budget: Budget | None = None
    problems: tuple[Problem, ...] = ()

    def values(self, fixed: Mapping[Path, Value], outer: Scope | None = None) -> KnownValues:
        """Return the values known where these params are visible, including the `fixed` variables."""
        unknown = self.shapes.keys() - self.known.keys()
        return KnownValues({**self.known, **fixed}, unknown, outer, budget=self.budget)


def value_if_known(template: Value, values: Scope) -> Value | None:
    """Return the value of a template, or None if it refers to something that is known only while running.

    Raises TooLargeError.
    """
    try:
        if any(values.resolve(reference) is None for reference in references_in(template)):
            return None
        return evaluate(template, values)
    except MisfitError:
        return None


class _Templates(Scope):
    """Templates of params. An element or key of a reference to a whole value becomes a reference into that value."""

    def resolve(self, reference: Reference) -> Value | None:
        """Return the template that a reference means."""
        template = self.get(reference.path[:2])
        holder = only_reference(template) if isinstance(template, str) else None
        inside = f"[{reference.index}]" if isinstance(reference.index, int) else _inside(reference.path[2:])
        if holder is None or isinstance(holder.index, int) or not inside:
            return super().resolve(reference)
        return f"{holder.text[:-1].removesuffix('[*]')}{inside})"


def _inside(keys: Path) -> str:
    return "".join(f".{key}" if re.fullmatch(r"[\w-]+", key) else f'["{key}"]' for key in keys)


def whole(name: str, shape: Shape) -> str:
    """Return the reference to a whole param."""
    path = f'params["{name}"]' if "." in name else f"params.{name}"
    return f"$({path})" if shape.type == "string" else f"$({path}[*])"


@dataclass(frozen=True, slots=True)
class Declaration:
    """The params that a spec declares; `receiver` names the spec in messages: ``the Task 'build'``.

    Defaults may refer to `default_names` beside other params. Only the defaults of params that `used` returns are
    checked; None for all. `of_run`: ``-p`` sets these params.
    """

    receiver: str
    params: Sequence[tuple[ParamSpec, Place]]
    default_names: Names = NO_NAMES
    used: Callable[[], AbstractSet[str]] | None = None
    of_run: bool = False


def bind(
    declaration: Declaration,
    arguments: Iterable[Argument],
    outer: OuterScope,
    place: Place,
    of_matrix: Mapping[str, Shape] | None = None,
) -> BoundParams:
    """Return the declared params with the values that the arguments and the defaults give them.

    `place` is where a missing argument belongs. `of_matrix` are params that a matrix sets; their defaults are bound
    too, for combinations that do not set them.
    """
    return _Binder(declaration, arguments, outer, place, of_matrix or {}).bound()


class _Binder:
    """The work of one `bind`."""

    def __init__(
        self,
        declaration: Declaration,
        arguments: Iterable[Argument],
        outer: OuterScope,
        place: Place,
        of_matrix: Mapping[str, Shape],
    ) -> None:
        self._declared = {spec.name: (spec, where) for spec, where in declaration.params}
        self._default_names = declaration.default_names
        self._receiver = declaration.receiver
        self._of_run = declaration.of_run
        self._arguments = {argument.name: argument for argument in arguments}
        self._outer = outer
        self._place = place
        self._problems: list[Problem] = []
        self._of_matrix = of_matrix
        self._templates: dict[str, Value | None] = {}
        self._inherited: dict[str, Shape] = {}
        self._defaults_taken: dict[str, Value] = {}
        self._find_used = declaration.used

    def bound(self) -> BoundParams:
        for name in self._declared:
            self._template(name, ())
        self._check_missing()
        self._check_defaults()
        shapes: dict[Path, Shape] = {("params", name): self._shape(name) for name in self._declared}
        if self._outer.inherited:
            for name, argument in self._arguments.items():
                self._templates.setdefault(name, argument.value)
                shapes.setdefault(("params", name), shape_of(argument.value, self._outer.names))
        shapes.update((("params", name), shape) for name, shape in self._of_matrix.items())
        params = tuple(Param(name, value) for name, value in self._templates.items() if value is not None)
        known: dict[Path, Value] = {}
        for param in params:
            value = value_if_known(param.value, self._outer.values)
            unresolved = param.name in self._arguments and self._arguments[param.name].unresolved
            if value is not None and param.name not in self._of_matrix and not unresolved:
                known["params", param.name] = value
            if param.name in self._declared and not unresolved:
                self._check_enum(self._declared[param.name][0], value)
        return BoundParams(params, shapes, known, self._outer.values.budget, tuple(self._problems))

    def _template(self, name: str, used_by: tuple[str, ...]) -> Value | None:
        """Return the template of a declared param, or None; `used_by` are the defaults that need it."""
        if name not in self._templates:
            spec, _ = self._declared[name]
            if name in self._arguments:
                self._templates[name] = self._from_argument(spec, self._arguments[name])
            elif (shape := self._inherited_shape(spec)) is not None:
                self._inherited[name] = shape
                self._templates[name] = whole(name, shape)
            else:
                self._templates[name] = self._from_default(spec, (*used_by, name))
        return self._templates[name]

    def _from_argument(self, spec: ParamSpec, argument: Argument) -> Value:
        value, kind = argument.value, spec.value_type
        if argument.unresolved:
            return value
        shape = shape_of(value, self._outer.names)
        if not shape.fits(kind):
            remark = not_strings(value) if kind != "string" else ""
            what = f"the param '{spec.name}' of {self._receiver} is of type {kind}"
            message = f"{what}, but {remark}" if remark else f"{what}, but this value is of type {shape.type}"
            self._problems.append(argument.place.problem("param-type", message))
        if kind != "object":
            return value
        default = spec.default if isinstance(spec.default, dict) else {}
        if shape.keys is not None:
            self._check_keys(spec, shape.keys | default.keys(), argument.place)
            self._defaults_taken[spec.name] = {key: text for key, text in default.items() if key not in shape.keys}
        return {**default, **_key_by_key(value, shape)} if default else value

    def _check_keys(self, spec: ParamSpec, keys: AbstractSet[str], place: Place) -> None:
        missing = [key for key in spec.properties or () if key not in keys]
        if missing:
            message = f"the object param '{spec.name}' of {self._receiver} needs {_list('the key', missing)} too"
            self._problems.append(place.problem("object-keys", message))

    def _inherited_shape(self, spec: ParamSpec) -> Shape | None:
        if not self._outer.inherited or spec.name in self._of_matrix:
            return None
        shape = self._outer.names.shape(("params", spec.name))
        fits = shape is not None and (shape.fits(spec.value_type) or _takes_any_type(spec))
        return shape if fits else None

    def _from_default(self, spec: ParamSpec, chain: tuple[str, ...]) -> Value | None:
        if spec.default is None:
            return None
        self._defaults_taken[spec.name] = spec.default
        if isinstance(spec.default, dict):
            self._check_keys(spec, spec.default.keys(), self._place)
        others: dict[Path, Value] = {}
        for name in self._needed_by(spec):
            if len(chain) > MAX_DEFAULTS:
                message = f"more than {MAX_DEFAULTS} defaults refer to one another in a row"
                self._problems.append(self._declared[name][1].at("default").problem("too-deep", message))
                return spec.default
            if name in chain:
                if name == chain[0] and name in self._used:
                    message = f"the defaults refer to each other in a circle: {' → '.join((*chain, name))}"
                    self._problems.append(self._declared[name][1].at("default").problem("default-cycle", message))
                return spec.default
            other = self._template(name, chain)
            if other is not None:
                others["params", name] = other
        try:
            return (
                evaluate(spec.default, _Templates(others, budget=self._outer.values.budget)) if others else spec.default
            )
        except MisfitError as error:
            if spec.name in self._used:
                self._problems.append(self._declared[spec.name][1].at("default").problem("reference-type", str(error)))
            return spec.default

    def _needed_by(self, spec: ParamSpec) -> list[str]:
        """Return the declared params that a default refers to; its own only if no outer param has that name."""
        needed = {reference.path[1] for reference in references_in(spec.default or "") if reference.path[0] == "params"}
        if self._outer.inherited and self._outer.names.shape(("params", spec.name)) is not None:
            needed.discard(spec.name)
        return sorted(needed & self._declared.keys())

    @cached_property
    def _used(self) -> set[str]:
        """The params that are used, and every param that their defaults refer to."""
        needed: set[str] = set()
        waiting = list(self._declared if self._find_used is None else self._find_used())
        while waiting:
            name = waiting.pop()
            if name in needed or name not in self._declared:
                continue
            needed.add(name)
            if name not in self._arguments:
                waiting += self._needed_by(self._declared[name][0])
        return needed

    def _check_defaults(self) -> None:
        if not self._defaults_taken:
            return
        names = Names({("params", name): self._shape(name) for name in self._declared}, self._default_names)
        for name, default in self._defaults_taken.items():
            if name in self._used:
                self._problems.extend(check_value(default, names, self._declared[name][1].at("default")))

    def _check_missing(self) -> None:
        missing = [name for name, template in self._templates.items() if template is None]
        missing = [name for name in missing if name not in self._of_matrix]
        if missing:
            hints = "".join(did_you_mean(name, self._arguments.keys() - self._declared.keys()) for name in missing[:1])
            message = f"{self._receiver} needs {_list('the param', missing)}{hints or self._way_out(missing)}"
            self._problems.append(self._place.problem("missing-param", message))

    def _way_out(self, missing: Sequence[str]) -> str:
        if not self._of_run:
            return "; give a value in params"
        pronoun = "it" if len(missing) == 1 else "them"
        return f"; give {pronoun} with {' '.join(f'-p {name}=…' for name in missing)}"

    def _check_enum(self, spec: ParamSpec, value: Value | None) -> None:
        if not spec.enum or self._reports_other_enum(spec) or value == "" or value in spec.enum:
            return
        place = self._arguments[spec.name].place if spec.name in self._arguments else self._place
        if value is None:
            message = f"the value is known only while running, and is not checked against the enum of '{spec.name}'"
            self._problems.append(place.problem("param-enum", message, "warning"))
        else:
            self._problems.append(place.problem("param-enum", enum_message(value, spec, self._receiver)))

    def _reports_other_enum(self, spec: ParamSpec) -> bool:
        """Report a param that allows values outside the enum of the param it is passed to; return whether it does."""
        argument = self._arguments.get(spec.name)
        reference = only_reference(argument.value) if argument is not None and isinstance(argument.value, str) else None
        if argument is None or reference is None or reference.path[0] != "params" or reference.index is not None:
            return False
        allowed = self._outer.enums.get(reference.path[1])
        others = [] if allowed is None else [value for value in allowed if value not in spec.enum]
        if allowed is None or (allowed and not others):
            return False
        what = f"has no enum, but '{spec.name}' of {self._receiver} has one"
        if others:
            what = f"may be {', '.join(map(repr, others))}, but the enum of '{spec.name}' of {self._receiver} has not"
        message = (
            f"the Pipeline's param '{reference.path[1]}' {what}; give it an enum of some of: {', '.join(spec.enum)}"
        )
        self._problems.append(argument.place.problem("param-enum", message))
        return True

    def _shape(self, name: str) -> Shape:
        if name in self._inherited:
            return self._inherited[name]
        spec, template = self._declared[name][0], self._templates.get(name)
        if template is None:
            return Shape(spec.value_type, unresolved=True)  # as missing
        shape = shape_of(template, self._outer.names)
        unresolved = self._is_unresolved(name, template)
        if spec.value_type == "object":
            keys = frozenset(spec.properties or ()) | (shape.keys or frozenset())
            return Shape("object", keys=keys, unresolved=unresolved)
        return Shape(spec.value_type, shape.length if shape.type == spec.value_type else None, unresolved=unresolved)

    def _is_unresolved(self, name: str, template: Value) -> bool:
        if name in self._arguments and self._arguments[name].unresolved:
            return True
        return (name in self._arguments or self._outer.inherited) and is_unresolved(template, self._outer.names)


def _takes_any_type(spec: ParamSpec) -> bool:
    """Return whether a param has the type of the outer param: it declares no type, or its default is that param."""
    if spec.type is None and spec.properties is None and spec.default is None:
        return True
    reference = only_reference(spec.default) if isinstance(spec.default, str) else None
    return reference is not None and reference.path == ("params", spec.name)


def _key_by_key(value: Value, shape: Shape) -> dict[str, str]:
    """Return an object, or a reference to a whole object, as its keys."""
    if isinstance(value, str):
        prefix = value.removesuffix(")").removesuffix("[*]")
        return {key: f"{prefix}.{key})" for key in sorted(shape.keys or ())}
    return value if isinstance(value, dict) else {}


def enum_message(value: Value, spec: ParamSpec, receiver: str) -> str:
    """Return the message about a value that is not in an enum."""
    return f"{receiver} does not allow '{value}' for '{spec.name}'; allowed: {', '.join(spec.enum)}"


def undeclared_params(
    arguments: Iterable[Argument], declaration: Declaration, severity: Severity = "warning"
) -> Iterator[Problem]:
    """Yield a problem for each argument without a declared param; a warning says that it is ignored."""
    names = {spec.name for spec, _ in declaration.params}
    effect = ", so it has no effect" if severity == "warning" else ""
    for argument in arguments:
        if argument.name not in names:
            hint = did_you_mean(argument.name, names)
            message = f"{declaration.receiver} declares no param '{argument.name}'{effect}{hint}"
            yield argument.place.problem("unknown-param", message, severity)


def _list(what: str, names: Sequence[str]) -> str:
    """Return ``the param 'a'`` or ``the params 'a', 'b'``."""
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(repr(name) for name in names)}"
