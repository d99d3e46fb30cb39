"""Where references are read from on this machine, before anything is fetched.

Rules:

- The rules come first, then the lock. A reference that a strict lock does not have is an error.
- If a rule applies to a reference, its directory has the document, or the reference is an error: nothing is fetched
  instead.

Left to others: the rules (``rules``), the directories (``directories``), the lock (``lock``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from monopod.compiler.remote.local.rules import Rule, choose

if TYPE_CHECKING:
    from monopod.compiler.remote.reference import Address, RemoteReference, Resolved


class Pinned(Protocol):
    """A lock."""

    def find(self, reference: RemoteReference) -> Resolved | None:
        """Return the document of a reference, or None if it is to be fetched. Raises RemoteError."""


@dataclass(frozen=True, slots=True)
class LocalSources:
    """The rules, in layers: a nearer layer wins; and the lock. ``files`` are those that `NamedDocuments` has read."""

    layers: tuple[tuple[Rule, ...], ...] = ()
    lock: Pinned | None = None
    files: dict[str, dict[str, list[str]]] = field(default_factory=dict, compare=False)

    def find(self, reference: RemoteReference, address: Address) -> Resolved | None:
        """Return the document of a reference; None if it is to be fetched. Raises RemoteError."""
        if self.applies(address):
            return self.read(address)
        return None if self.lock is None else self.lock.find(reference)

    def read(self, address: Address) -> Resolved:
        """Return the document of a reference to which a rule applies. Raises RemoteError."""
        from monopod.compiler.remote.local.directories import Directory  # noqa: PLC0415  # most runs have no rules
        from monopod.compiler.remote.local.named_documents import NamedDocuments  # noqa: PLC0415

        match = choose(self.layers, address)
        assert match is not None
        resolved = Directory(match, address, NamedDocuments(self.files)).read()
        return replace(resolved, is_in_project=bool(match.rule.base))

    def applies(self, address: Address) -> bool:
        """Return whether a rule applies to a reference."""
        return choose(self.layers, address) is not None

    def hint(self, address: Address) -> str:
        """Return what to say if a reference could not be fetched, though there are rules for its resolver."""
        rules = [rule for rules in self.layers for rule in rules if rule.resolver == address.resolver]
        if not rules:
            return ""
        name = address.names[0] if address.resolver == "http" else f"{address.resolver}:{address.names[0]}"
        return f"; {rules[0].written} does not match {name}"
