"""Parses a Result that a Step wrote into a value of the declared type (Tekton docs/tasks.md, "Emitting Results").

Rules: a string Result is the content of the file, not stripped. An array or object Result is JSON whose elements are
strings. An object without a key that its declaration lists in ``properties`` fails its Task, but is still a value.
"""

from __future__ import annotations

from monopod.schemas.plan import ResultDeclaration, Value
from monopod.system import foreign_json


def parse_result(declaration: ResultDeclaration, text: str) -> Value:
    """Return the value of `text`. Raises ValueError with a message if it is not of the declared type."""
    if declaration.type == "string":
        return text
    try:
        value = foreign_json.loads(text)
    except ValueError:
        value = None
    if declaration.type == "array":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f'Result "{declaration.name}" is declared as an array, but is not a JSON array of strings')
        return tuple(value)
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError(f'Result "{declaration.name}" is declared as an object, but is not a JSON object of strings')
    return dict(value)


def describe_missing_keys(declaration: ResultDeclaration, value: Value) -> str:
    """Return a message about the declared keys that an object Result lacks; empty if it has all."""
    missing = [key for key in declaration.properties if key not in value] if isinstance(value, dict) else []
    return f'Result "{declaration.name}" lacks the declared keys {", ".join(missing)}' if missing else ""
