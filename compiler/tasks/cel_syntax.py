"""CEL of when-expressions, parsed when compiling, so that a syntax error does not fail the Task while running.

Rules:

- Tekton replaces references by values before it evaluates, so a reference can become any text. Inside quotes this is
  safe. An expression with a reference outside quotes is not parsed.
- Tekton rejects a document with a reference outside quotes (``validateWhenExpressionFields``). monopod can run it, so
  this is a warning.
- An expression that is nested so deeply that the parser could exhaust the stack is left to the coordinator, which
  evaluates it in a separate process (``coordinator.cel_process``).

Left to others: what the expression evaluates to (``schemas.cel``).
"""

from __future__ import annotations

import re

from monopod.schemas.variables import EvaluationError, as_letters, references

_DEEPEST = 50
_LONGEST = 10_000
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_EXPECTING = re.compile(r" expecting (?:\{.*|<EOF>)")
_TOKEN = re.compile(r"token recognition error at: '(.*)'", re.DOTALL)
_OPERATORS = {"or": "||", "and": "&&", "not": "!", "=": "=="}


def syntax_error(expression: str) -> str | None:
    """Return the syntax error of a CEL expression, with its position; None if it is valid."""
    text = as_letters(expression)
    if not text.strip() or len(text) > _LONGEST or _is_deep(text):
        return None
    if text != expression and "$(" in _QUOTED.sub("", expression):
        return None
    from monopod.schemas.cel import extension  # noqa: PLC0415  # hardly any Pipeline has CEL

    try:
        extension().compile(text)
    except EvaluationError:
        return None  # there is no CEL here
    except ValueError as error:
        return _describe(str(error), text)
    return None


def unquoted_reference(expression: str) -> str | None:
    """Return the message about the first reference outside quotes in a CEL expression; None if there is none."""
    outside = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), expression)
    text = next((reference.text for reference in references(outside)), None)
    if text is None:
        return None
    return f"{text} is outside of quotes, which Tekton refuses in CEL; write '{text}', or int('{text}') for a number"


def _is_deep(text: str) -> bool:
    return sum(map(text.count, "([{!-?")) > _DEEPEST


def _describe(message: str, text: str) -> str:
    match = _ERROR.search(message)
    if match is None:
        return "this is not a CEL expression"
    line, column = int(match[1]), int(match[2])
    place = f"column {column}" if "\n" not in text.strip() else f"line {line}, column {column}"
    what = _what_is_wrong(_EXPECTING.sub("", match[3]))
    lines = text.splitlines()
    before = lines[line - 1][: column - 1].split() if line <= len(lines) else []
    for word in (what.removeprefix("unexpected ").strip("'"), before[-1] if before else ""):
        if word in _OPERATORS:
            return f"this CEL expression does not parse, at {place}: CEL has no '{word}'; write {_OPERATORS[word]}"
    return f"this CEL expression does not parse, at {place}: {what}"


def _what_is_wrong(message: str) -> str:
    if "<EOF>'" in message:
        return "it ends too early" if "mismatched" in message else message.replace(" at '<EOF>'", " at its end")
    if match := _TOKEN.search(message):
        token = match[1].strip()
        return "a text without its closing quote" if token.startswith(("'", '"')) else f"unexpected '{token}'"
    return message.replace("mismatched input", "unexpected").replace("extraneous input", "unexpected")
