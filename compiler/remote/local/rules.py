"""The rules of ``--resolve``: which references are read from which directory.

Rules:

- A rule is ``RESOLVER:PATTERN=DIR``; for the resolver http, whose patterns are URLs, it is ``URL=DIR``; for references
  by name that the files do not have, it is ``name:PATTERN=DIR``.
- A pattern matches the whole name of a reference (`Address.names`). One ``*`` in it stands for any text, also with
  slashes. One ``*`` in DIR stands for the same text.
- The rules of a nearer source win: the command line, then the environment, then ``monopod.yaml``. Among the rules of
  one source, the most specific wins: without ``*``, then with more text before the ``*``, then after it.

Left to others: what is read from the directory (``directories``), where rules are written (``project``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.remote.urls import browsable

if TYPE_CHECKING:
    from monopod.compiler.remote.reference import Address

_RESOLVERS = ("git", "bundles", "hub", "cluster", "name")
_URLS = ("http://", "https://")
_EXPECTED = "expected RESOLVER:PATTERN=DIR or URL=DIR, such as git:https://github.com/acme/*=../*"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `written` is how messages show it. `base` is the directory of the ``monopod.yaml`` that has it."""

    resolver: str
    pattern: str
    directory: str
    written: str
    base: str = ""

    @classmethod
    def parse(cls, text: str, option: str) -> Rule:
        """Return the rule in ``PATTERN=DIR``; `option` is in front of it in messages. Raises ValueError."""
        pattern, equals, directory = text.rpartition("=")
        if not equals or not pattern or not directory:
            raise ValueError(f"'{text}' is not a rule; {_EXPECTED}")
        return cls.make(pattern, directory, f"{option} '{text}'")

    @classmethod
    def make(cls, text: str, directory: str, written: str, base: str = "") -> Rule:
        """Return the rule of a pattern and a directory. Raises ValueError."""
        resolver, colon, pattern = text.partition(":")
        if text.startswith(_URLS):
            resolver, pattern = "http", f"{text}*" if text.endswith("/") else text
        elif resolver not in _RESOLVERS or not colon or not pattern:
            hint = did_you_mean(resolver, _RESOLVERS) if colon else ""
            listed = ", ".join(f"{name}:" for name in _RESOLVERS)
            raise ValueError(f"'{text}' is not a pattern{hint}; it begins with {listed}, http:// or https://")
        if resolver == "git" and not pattern.startswith("*"):
            pattern = browsable(os.path.abspath(pattern) if pattern.startswith(".") else pattern.rstrip("/"))
        if pattern.count("*") > 1:
            raise ValueError(f"'{text}' has more than one *; use one, which stands for any text, also with slashes")
        if directory.count("*") > pattern.count("*"):
            raise ValueError(f"the directory '{directory}' has a * that the pattern does not have")
        return cls(resolver, pattern, directory, written, base)

    @property
    def specificity(self) -> tuple[bool, int, int]:
        """The greater, the more specific."""
        before, star, after = self.pattern.partition("*")
        return (not star, len(before), len(after))

    def match(self, address: Address) -> Match | None:
        """Return how the rule applies to an address; None if it does not."""
        if self.resolver != address.resolver:
            return None
        before, star, after = self.pattern.partition("*")
        for name in address.names:
            if not star and name == before:
                return Match(self, name, "")
            if star and len(name) >= len(before) + len(after) and name.startswith(before) and name.endswith(after):
                return Match(self, name, name[len(before) : len(name) - len(after)])
        return None


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that applies to a reference by one of its names. `text` is what ``*`` stands for."""

    rule: Rule
    name: str
    text: str

    @property
    def recorded(self) -> str:
        """The directory as it is recorded, which is the same on each machine if the rule is."""
        return os.path.normpath(self.rule.directory.replace("*", self.text))

    @property
    def directory(self) -> str:
        """The directory, absolute or relative to the current directory."""
        return os.path.normpath(os.path.join(self.rule.base, os.path.expanduser(self.recorded)))


def choose(layers: Iterable[tuple[Rule, ...]], address: Address) -> Match | None:
    """Return the match of the rule that wins, the nearest layer first."""
    for rules in layers:
        matches = [match for rule in rules if (match := rule.match(address)) is not None]
        if matches:
            return max(matches, key=lambda match: match.rule.specificity)
    return None


def check_rules(rules: Iterable[Rule]) -> None:
    """Raise ValueError if two rules of one layer have the same pattern and different directories."""
    first: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        other = first.setdefault((rule.resolver, rule.pattern), rule)
        if other.directory != rule.directory:
            raise ValueError(f"{other.written} and {rule.written} have the same pattern; keep one of them")
