"""Makes Python compile the generated methods of a dataclass when one of them is first called.

``dataclasses`` writes `__init__`, `__repr__`, `__eq__` … of each class as text, and compiles it while it makes the
class. That is a sixth of the time of a command that compiles a small file, and most of these methods are never called.

Rules:

- It applies to classes that are made later in this process, those of other libraries included.
- A method does what it did. It replaces its stand-in at its first call, so that later calls cost nothing more.
- Until then, ``inspect.signature`` does not know the parameters of such a class.
- Text in a form that this module does not know is compiled at once: the form is private to ``dataclasses``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

_MAKER = "__create_fn__"
"""The function that the text defines. It returns one method, or a tuple of all (Python 3.13)."""


def compile_methods_lazily() -> None:
    """Change ``dataclasses`` for the rest of this process."""
    vars(dataclasses)["exec"] = _execute


def _execute(text: str, global_names: dict[str, Any], namespace: dict[str, Any]) -> None:
    """Do what ``exec`` does for the text of methods, but compile it when a method is called."""
    returned = text.rpartition("\n return ")[2]
    names = returned.strip("(),").split(",")
    if not text.startswith(f"def {_MAKER}(") or not all(name.isidentifier() for name in names):
        exec(text, global_names, namespace)  # noqa: S102  # as dataclasses does
        return

    def make(**variables: Any) -> Any:
        methods = _Methods(text, global_names, variables, names)
        stand_ins = tuple(methods.stand_in(name) for name in names)
        return stand_ins if returned.startswith("(") else stand_ins[0]

    namespace[_MAKER] = make


class _Methods:
    """The methods that one text defines."""

    def __init__(self, text: str, global_names: dict[str, Any], variables: Mapping[str, Any], names: list[str]) -> None:
        self._text = text
        self._globals = global_names
        self._variables = variables
        self._names = names
        self._compiled: dict[str, Callable[..., Any]] = {}

    def stand_in(self, name: str) -> Callable[..., Any]:
        """Return a function that calls the method of this name, and puts it into the class that has this function."""

        def call(self: object, /, *arguments: Any, **keywords: Any) -> Any:
            method = find(name)
            for owner in type(self).__mro__:
                if vars(owner).get(name) is call:
                    method.__qualname__ = call.__qualname__
                    setattr(owner, name, method)
            return method(self, *arguments, **keywords)

        find = self._method
        call.__name__ = name
        return call

    def _method(self, name: str) -> Callable[..., Any]:
        if not self._compiled:
            namespace: dict[str, Any] = {}
            exec(self._text, self._globals, namespace)  # noqa: S102  # as dataclasses does
            made = namespace[_MAKER](**self._variables)
            made = made if isinstance(made, tuple) else (made,)
            self._compiled = dict(zip(self._names, made, strict=True))
        return self._compiled[name]
