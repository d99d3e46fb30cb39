"""Where references are read from on this machine, before anything is fetched.

Rules:

- If a rule applies to a reference, its directory has the document, or the reference is an error: nothing is fetched
  instead.

Left to others: the rules (``rules``), the directories (``directories``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from monopod.compiler.remote.local.directories import Directory
from monopod.compiler.remote.local.named_documents import NamedDocuments
from monopod.compiler.remote.local.rules import Rule, choose
from monopod.compiler.remote.reference import Address, Resolved


@dataclass(frozen=True, slots=True)
class LocalSources:
    """The rules, in layers: a nearer layer wins."""

    layers: tuple[tuple[Rule, ...], ...] = ()
    documents: NamedDocuments = field(default_factory=NamedDocuments, compare=False)

    def find(self, address: Address) -> Resolved | None:
        """Return the document of a reference; None if no rule applies. Raises RemoteError."""
        match = choose(self.layers, address)
        return None if match is None else Directory(match, address, self.documents).read()

    def hint(self, address: Address) -> str:
        """Return what to say if a reference could not be fetched, though there are rules for its resolver."""
        rules = [rule for rules in self.layers for rule in rules if rule.resolver == address.resolver]
        if not rules:
            return ""
        name = address.names[0] if address.resolver == "http" else f"{address.resolver}:{address.names[0]}"
        return f"; {rules[0].written} does not match {name}"
