"""Mutates the YAML of Tekton documents, since a fuzzer of bytes hardly ever gets past the parser.

The vocabulary comes from the documents with every field (`every_field`): the keys, their parents, and their
values. A mutation replaces, removes, adds, copies or moves a few parts of the tree. The result is a text again, so
a fuzzer can continue with its bytes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import yaml
from every_field import documents, sites

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
Place = tuple[Any, Any]
"""A mapping or a list, and the key or index of something in it."""

TEXTS = (
    *(
        "",
        "a",
        "A b",
        "a/b",
        "..",
        "é" * 300,
        "9" * 99,
        "a\nb",
        "\x1b[2J",
        "\u2028",
        "1h",
        "-5s",
        "0",
        "1Gi",
        "1e999",
        "*",
    ),
    *("2001-01-01", "build", "second", "source", "digest", "$(params.text)", "$(params.text[*])", "$(params.text[9])"),
    *("$(params.a.b)", "$(params.text", "$$(params.text)", "$(tasks.build.results.digest)", "$(tasks.build.status)"),
    *("$(tasks.build.results.digest[*])", "$(tasks.build.results['digest'])", "$(tasks.second.outputs.x)"),
    *("$(steps.compile.results.digest)", "$(finally.x.results.y)", "$(context.taskRun.name)"),
    *("$(workspaces.source.path)", "$(workspaces.source.path[0])", "$(workspaces.source.bound)"),
)
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1 << 70, 1.5, float("inf"), [], {}, [[]], {"": ""}, {"name": "a"}, [{"name": "a"}] * 2),
    *TEXTS,
)


class Mutator:
    """Changes texts of YAML. Its vocabulary is read once, from every field's documents."""

    def __init__(self) -> None:
        self.below: dict[Any, list[tuple[Any, Any]]] = {}
        self._known: set[str] = set()
        for site in sites():
            for document in documents(site)[0]:
                self._learn("", document)

    def _learn(self, parent: Any, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if (said := repr((parent, key, inner))) not in self._known:
                    self._known.add(said)
                    self.below.setdefault(parent, []).append((key, inner))
                self._learn(key, inner)
        elif isinstance(value, list):
            for inner in value:
                self._learn(parent, inner)

    def mutated(self, text: str, random: Random) -> str | None:
        """Return the text with a few changes to its tree; None if it is not YAML with a tree."""
        try:
            found = [each for each in yaml.load_all(text, LOADER) if each is not None]
            for _ in range(random.randint(1, 3)):
                self._change(found, random)
            return str(yaml.dump_all(found, Dumper=DUMPER, sort_keys=False, allow_unicode=True))
        except (yaml.YAMLError, ValueError, TypeError, RecursionError, IndexError, AttributeError):
            return None

    def _change(self, found: list[Any], random: Random) -> None:
        places = list(_places("", found))
        parent, (holder, key) = random.choice(places)
        kind = random.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            holder[key] = copy.deepcopy(random.choice(ODD))
        elif kind == 2 and isinstance(holder[key], str):
            at = random.randint(0, len(holder[key]))
            holder[key] = holder[key][:at] + str(random.choice(ODD)) + holder[key][at:]
        elif kind == 3 and isinstance(holder, list):
            holder.insert(random.randint(0, len(holder)), copy.deepcopy(holder[key]))
        elif kind == 4:
            other, other_key = random.choice(places)[1]
            holder[key] = copy.deepcopy(other[other_key])
        elif kind == 5 and isinstance(holder, dict):
            holder[random.choice(("a", "", 1, None, "name", "name "))] = holder.pop(key)
        else:
            known = self.below.get(key if isinstance(holder[key], dict) else parent, ())
            target = holder[key] if isinstance(holder[key], dict) else holder
            if known and isinstance(target, dict):
                name, value = random.choice(known)
                target[name] = copy.deepcopy(value)


def _places(parent: Any, value: Any) -> Iterator[tuple[Any, Place]]:
    """Each place of a tree, with the key of the mapping that it, or the list that holds it, is the value of."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield parent, (value, key)
        yield from _places(key if isinstance(value, dict) else parent, inner)
