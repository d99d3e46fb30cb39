"""The graph of a Plan: as text for a terminal, or as input for Mermaid and Graphviz.

Rules:

- In text, Tasks are in running order. Tasks in one bracket are on the same level of the DAG: none waits for another.
- An edge means that a Task waits for another. Finally Tasks are a group, which waits for all other
  Tasks. A Pipeline that runs as a Task is a group too.
- The author's texts are escaped, so that they are never read as syntax.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from monopod.compiler.scope.known_combinations import names_known
from monopod.schemas.capacity.task_levels import task_levels
from monopod.schemas.plan import Matrix, Pipeline, Plan, Task, WhenExpression
from monopod.schemas.variables import Scope

_LONGEST_COMBINATIONS = 60
"""The maximum length of the combinations' names in a remark; a longer remark names the params instead."""

Form: TypeAlias = Literal["text", "mermaid", "dot"]


def render(plan: Plan, form: Form, width: int | None = None) -> str:
    """Return the graph of `plan` in one of the forms, with a line break at its end.

    `width` limits the columns of text, except for a longer Task name. None: no limit.
    """
    drawn = {"text": lambda pipeline: _text(pipeline, width), "mermaid": _mermaid, "dot": _dot}[form]
    return "".join(f"{line}\n" for line in drawn(plan.pipeline))


def remarks(task: Task) -> list[str]:
    """Return what is special about how a Task runs, as short texts."""
    remarks = [f"Pipeline {task.pipeline.name}"] if task.pipeline is not None else []
    if task.matrix is not None:
        remarks.append(_matrix_remark(task.matrix, len(task.slots)))
    if task.when:
        remarks.append("when " + " and ".join(map(_when_remark, task.when)))
    if task.retries:
        remarks.append(f"retries {task.retries}")
    if task.on_error != "stopAndFail":
        remarks.append(f"on error {task.on_error}")
    return [_visible(remark) for remark in remarks]


def _matrix_remark(matrix: Matrix, slots: int) -> str:
    params = itertools.chain(matrix.params, *(combination.params for combination in matrix.include))
    names = names_known(matrix, Scope({})) or []
    if not names or sum(map(len, names)) > _LONGEST_COMBINATIONS:
        names = list(dict.fromkeys(param.name for param in params))
    size = f"matrix of {slots}" if matrix.pinned else f"matrix, at most {slots} at a time"
    return f"{size} ({', '.join(names)})" if names else size


def _when_remark(when: WhenExpression) -> str:
    return when.cel or f"{when.input} {when.operator} [{', '.join(when.values)}]"


def _visible(text: str) -> str:
    """Return `text` with line breaks and control characters as their escapes."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def title_of(pipeline: Pipeline) -> str:
    """Return the name of a Pipeline, as it is shown."""
    return _visible(pipeline.name) or "Pipeline"  # an embedded one may have no name


def _label(task: Task) -> list[str]:
    return [_visible(task.name), *remarks(task)]


# Text


_MARGIN = 7
"""Columns before a Task's name: the number of its bracket and the bracket."""

_NARROWEST = 24
"""The minimum number of columns for remarks."""


def _text(pipeline: Pipeline, width: int | None) -> Iterator[str]:
    yield title_of(pipeline)
    yield from _text_of_tasks(pipeline, width)


@dataclass(frozen=True, slots=True)
class _Brackets:
    """The brackets of a Pipeline's Tasks: the names by bracket number, and the number by name."""

    names: Mapping[int, Sequence[str]]
    numbers: Mapping[str, int]


def _text_of_tasks(pipeline: Pipeline, width: int | None) -> Iterator[str]:
    numbers = {name: level + 1 for name, level in task_levels(pipeline.tasks).items()}
    by_name = {task.name: task for task in pipeline.tasks}
    longest = max((len(task.name) for task in pipeline.all_tasks), default=0)
    column = longest if width is None else min(longest, max(width // 2 - _MARGIN, _NARROWEST))
    names_by_number = {number: list(names) for number, names in itertools.groupby(numbers, key=numbers.__getitem__)}
    brackets = _Brackets(names_by_number, numbers)
    for number, names in names_by_number.items():
        yield from _text_of_bracket([by_name[name] for name in names], f"{number:3}", brackets, column, width)
    if pipeline.final_tasks:
        yield "finally"
        yield from _text_of_bracket(pipeline.final_tasks, "   ", brackets, column, width)


def _text_of_bracket(
    tasks: Sequence[Task], margin: str, brackets: _Brackets, column: int, width: int | None
) -> Iterator[str]:
    last = len(tasks) - 1
    for place, task in enumerate(tasks):
        sign = "──" if last == 0 else "┬─" if place == 0 else "├─" if place < last else "└─"
        gutter = "    │   " if place < last else "        "
        name, *notes = _label(task)
        if task.after:
            notes = [f"after {_visible(_listed(task.after, brackets))}", *notes]
        first, *further = _with_notes(name, notes, column, width)
        yield f"{margin if place == 0 else '   '} {sign} {first}".rstrip()
        yield from (f"{gutter[:_MARGIN]}{line}" for line in further)
        if task.pipeline is not None:
            inner = None if width is None else max(width - len(gutter), 2 * _NARROWEST)
            yield from (gutter + line for line in _text_of_tasks(task.pipeline, inner))


def _listed(names: Sequence[str], brackets: _Brackets) -> str:
    """Return the names of Tasks, a bracket of three or more as a whole: ``all of 2, all of 3 but lint, build``.

    At most a quarter of a bracket may be exceptions.
    """
    by_bracket: dict[int, set[str]] = {}
    for name in brackets.numbers.keys() & names:
        by_bracket.setdefault(brackets.numbers[name], set()).add(name)
    whole = []
    shown: set[str] = set()
    for number, waited_for in sorted(by_bracket.items()):
        bracket = brackets.names[number]
        if len(bracket) > 2 and len(bracket) - len(waited_for) <= len(bracket) // 4:
            missing = [name for name in bracket if name not in waited_for]
            whole.append(f"all of {number}" + (f" but {' and '.join(missing)}" if missing else ""))
            shown |= waited_for
    return ", ".join([*whole, *(name for name in dict.fromkeys(names) if name not in shown)])


def _with_notes(name: str, notes: Sequence[str], column: int, width: int | None) -> list[str]:
    """Return the lines of a Task: its name, and its remarks beside it (below it if the name is long)."""
    if width is None:
        return [f"{name:{column}}  {' · '.join(notes)}"]
    room = max(width - _MARGIN - column - 2, _NARROWEST)
    lines = _filled(notes, room) or [""]
    if len(name) > column and notes:
        lines = ["", *lines]
    indent = " " * column
    return [f"{name:{column}}  {lines[0]}", *(f"{indent}  {line}" for line in lines[1:])]


def _filled(notes: Sequence[str], room: int) -> list[str]:
    """Return remarks in lines of at most `room` columns; a remark that is too long for a line is wrapped."""
    lines: list[str] = []
    for note in notes:
        if lines and len(lines[-1]) + len(note) + 3 <= room:
            lines[-1] += f" · {note}"
        else:
            lines += textwrap.wrap(note, room, break_long_words=False, break_on_hyphens=False)
    return lines


# Mermaid and Graphviz: one walk, two languages


@dataclass(frozen=True, slots=True)
class _Item:
    """The target of an edge: a Task's node, or a group of nodes with the first and the last in running order."""

    identity: str
    first: str
    last: str
    is_group: bool


class _Language(Protocol):
    def opening(self, identity: str, label: Sequence[str]) -> str: ...
    def closing(self) -> str: ...
    def node(self, identity: str, label: Sequence[str], *, guarded: bool) -> str: ...
    def edge(self, before: _Item, after: _Item, *, dashed: bool) -> str: ...


class _Mermaid:
    """https://mermaid.js.org/syntax/flowchart.html."""

    def opening(self, identity: str, label: Sequence[str]) -> str:
        return f"subgraph {identity}[{self._quoted(label)}]"

    def closing(self) -> str:
        return "end"

    def node(self, identity: str, label: Sequence[str], *, guarded: bool) -> str:
        return f"{identity}{{{{{self._quoted(label)}}}}}" if guarded else f"{identity}[{self._quoted(label)}]"

    def edge(self, before: _Item, after: _Item, *, dashed: bool) -> str:
        return f"{before.identity} {'-.->' if dashed else '-->'} {after.identity}"

    def _quoted(self, lines: Sequence[str]) -> str:
        """Return a label with a numeric entity for each character that is special to Mermaid."""
        return (
            '"'
            + "<br/>".join(re.sub(r"[^\w .,/:=+$()·-]", lambda match: f"#{ord(match[0])};", line) for line in lines)
            + '"'
        )


class _Dot:
    """https://graphviz.org/doc/info/lang.html. Edges join nodes and are cut off where they meet a cluster's border."""

    def opening(self, identity: str, label: Sequence[str]) -> str:
        return f"subgraph cluster_{identity} {{ label={self.quoted(label)}"

    def closing(self) -> str:
        return "}"

    def node(self, identity: str, label: Sequence[str], *, guarded: bool) -> str:
        return f"{identity} [label={self.quoted(label)}{', shape=hexagon' if guarded else ''}]"

    def edge(self, before: _Item, after: _Item, *, dashed: bool) -> str:
        attributes = [
            *([f"ltail=cluster_{before.identity}"] if before.is_group else []),
            *([f"lhead=cluster_{after.identity}"] if after.is_group else []),
            *(["style=dashed"] if dashed else []),
        ]
        return f"{before.last} -> {after.first}" + (f" [{', '.join(attributes)}]" if attributes else "")

    def quoted(self, lines: Sequence[str]) -> str:
        return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


def _mermaid(pipeline: Pipeline) -> Iterator[str]:
    yield "flowchart LR"
    yield from _pipeline_lines(pipeline, "p", [title_of(pipeline)], _Mermaid(), "  ")


def _dot(pipeline: Pipeline) -> Iterator[str]:
    yield "digraph {"
    yield '  graph [rankdir=LR, compound=true, fontname="sans-serif"]'
    yield '  node [shape=box, fontname="sans-serif"]'
    yield from _pipeline_lines(pipeline, "p", [title_of(pipeline)], _Dot(), "  ")
    yield "}"


_Lines: TypeAlias = Generator[str, None, _Item]


def _pipeline_lines(
    pipeline: Pipeline, identity: str, label: Sequence[str], language: _Language, indent: str
) -> _Lines:
    """Yield the lines of a Pipeline as a group. The identities in it start with its own, which keeps them unique."""
    yield indent + language.opening(identity, label)
    inner = indent + "  "
    if pipeline.final_tasks:
        tasks = yield from _group_lines(pipeline.tasks, f"{identity}t", "tasks", language, inner)
        final = yield from _group_lines(pipeline.final_tasks, f"{identity}f", "finally", language, inner)
        yield inner + language.edge(tasks, final, dashed=True)
        first, last = tasks.first, final.last
    else:
        first, last = yield from _task_lines(pipeline.tasks, f"{identity}t", language, inner)
    yield indent + language.closing()
    return _Item(identity, first, last, is_group=True)


def _group_lines(tasks: Sequence[Task], identity: str, label: str, language: _Language, indent: str) -> _Lines:
    yield indent + language.opening(identity, [label])
    first, last = yield from _task_lines(tasks, identity, language, indent + "  ")
    yield indent + language.closing()
    return _Item(identity, first, last, is_group=True)


def _task_lines(
    tasks: Sequence[Task], prefix: str, language: _Language, indent: str
) -> Generator[str, None, tuple[str, str]]:
    """Yield the nodes of Tasks and the edges between them; return the first and the last node in running order."""
    items: dict[str, _Item] = {}
    for number, task in enumerate(tasks):
        identity = f"{prefix}{number}"
        if task.pipeline is not None:
            items[task.name] = yield from _pipeline_lines(task.pipeline, identity, _label(task), language, indent)
        else:
            yield indent + language.node(identity, _label(task), guarded=bool(task.when))
            items[task.name] = _Item(identity, identity, identity, is_group=False)
    for task in tasks:
        for name in task.after:
            if name in items:
                yield indent + language.edge(items[name], items[task.name], dashed=False)
    order = list(task_levels(tasks))
    return items[order[0]].first, items[order[-1]].last
