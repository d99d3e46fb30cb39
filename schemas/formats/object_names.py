"""What a Kubernetes API server takes for a name: of an object, of a namespace, of a key, of a file in a volume.

Each of them becomes a part of a path where a Pod runs, so that one with ``..`` or ``/`` would lead out of the directory
that it is for. Rules: Kubernetes docs, "Object Names and IDs"; its API, ConfigMap, Secret, KeyToPath, VolumeMount.
Standard library only.

Left to others: where such names are (``compiler.pod.invalid_names``, ``runner.kubelet.pod_names``).
"""

from __future__ import annotations

import re

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)

LONGEST_LABEL = 63
LONGEST_SUBDOMAIN = 253

_PLACEHOLDER = re.compile(r"\$?\{\{[^{}]*\}\}|\$\{\w+\}|<no value>")
"""What a template or a shell would have filled in before a cluster reads it."""

_AT_BOTH_ENDS = "with a letter or digit at both ends"


def placeholder_advice(text: str) -> str | None:
    """Return what to do about a placeholder that a text still has in it; None if it has none."""
    placeholder = _PLACEHOLDER.search(text)
    return placeholder and f"monopod does not substitute {placeholder[0]}; write a value, or render the file first"


def invalid(text: str, what: str, rule: str) -> str:
    """Return the message for a text that breaks a rule: the rule, or the placeholder that is the cause."""
    return f"'{text}' is not {what}: {placeholder_advice(text) or f'use {rule}'}"


def label_problem(text: str) -> str | None:
    """Return what is wrong with the name of a namespace, container or volume (a DNS label), if anything is."""
    if LABEL.fullmatch(text) and len(text) <= LONGEST_LABEL:
        return None
    return invalid(text, "a valid name", f"at most 63 lower-case letters, digits and '-', {_AT_BOTH_ENDS}")


def subdomain_problem(text: str) -> str | None:
    """Return what is wrong with the name of an object such as a claim (a DNS subdomain), if anything is."""
    if SUBDOMAIN.fullmatch(text) and len(text) <= LONGEST_SUBDOMAIN:
        return None
    return invalid(text, "a valid name", f"at most 253 lower-case letters, digits, '-' and '.', {_AT_BOTH_ENDS}")


def prefix_problem(text: str) -> str | None:
    """Return what is wrong with the beginning of a name (``generateName``), if anything is."""
    if subdomain_problem(f"{text}x") is None:
        return None
    return f"'{text}' cannot begin a name: use lower-case letters, digits, '-' and '.', with a letter or digit first"


def key_problem(text: str) -> str | None:
    """Return what is wrong with a key of a ConfigMap or Secret, if anything is."""
    if _KEY.fullmatch(text) and len(text) <= LONGEST_SUBDOMAIN and text not in (".", "..") and text[:2] != "..":
        return None
    return invalid(text, "a valid key", "at most 253 letters, digits, '-', '_' and '.', without '..' at its start")


def path_problem(text: str) -> str | None:
    """Return what is wrong with a path inside a volume, if anything is; an empty one is the volume itself."""
    if text.startswith("/") or ".." in text.split("/") or "\0" in text:
        return f"'{text}' is not a path inside the volume: use a relative path without '..'"
    return None
