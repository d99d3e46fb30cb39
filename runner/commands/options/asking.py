"""Questions on a terminal: one of several candidates, and values of params that have none.

Rules:

- Questions are asked only if standard input and standard error are a terminal. They go to standard error.
- A wrong answer is asked for again. The end of the input (Ctrl-D) stops the command as Ctrl-C does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monopod.schemas.formats.visible_text import visible

if TYPE_CHECKING:
    from monopod.schemas.tekton.params import ParamSpec


def can_ask() -> bool:
    """Return whether a person can be asked."""
    streams = (sys.stdin, sys.stderr)  # None if it was closed when the process started (Python docs, sys.stdin)
    return all(stream is not None and stream.isatty() for stream in streams)


def choose(question: str, names: Sequence[str]) -> str | None:
    """Return the name that the user chooses; None if nobody can be asked."""
    if not can_ask():
        return None
    _show(question)
    for number, name in enumerate(names, 1):
        _show(f"  {number}  {name}")
    while True:
        answer = _answer(f"Number (1 to {len(names)}): ").strip()
        if answer in names:
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return names[int(answer) - 1]


def ask_param(spec: ParamSpec) -> str:
    """Return a value for a param, as for ``-p``."""
    from monopod.compiler.documents.option_values import parse_param  # noqa: PLC0415  # only to ask

    form = {"string": "", "array": "a,b or JSON", "object": "key:value,key:value or JSON"}[spec.value_type]
    hints = "; ".join(filter(None, (spec.description.strip(), form)))
    choices = f" [{', '.join(spec.enum)}]" if spec.enum else ""
    while True:
        answer = _answer(f"{spec.name}{f' ({hints})' if hints else ''}{choices}: ")
        if spec.enum and answer not in spec.enum:
            _show(f"expected one of {', '.join(spec.enum)}")
            continue
        try:
            parse_param(answer, spec.value_type)
        except ValueError as error:
            _show(str(error))
            continue
        return answer


def _show(text: str) -> None:
    print(visible(text), file=sys.stderr, flush=True)


def _answer(question: str) -> str:
    """Return the line that the user types. Raises KeyboardInterrupt at the end of the input."""
    print(" ".join(visible(question).split()), end=" ", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        raise KeyboardInterrupt
    return line.rstrip("\r\n")
