"""Names that a Kubernetes API server accepts: of objects, namespaces, keys and files in a volume.

Each becomes a part of a path where a Pod runs, so ``..`` or ``/`` in it would escape from its directory. Rules:
Kubernetes docs, "Object Names and IDs"; Kubernetes API, ConfigMap, Secret, KeyToPath, VolumeMount. Standard library
only.

Left to others: the fields with such names (``compiler.pod.invalid_names``, ``runner.kubelet.pod_names``).
"""

from __future__ import annotations

import re

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)

LONGEST_LABEL = 63
LONGEST_SUBDOMAIN = 253

_PLACEHOLDER = re.compile(r"\$?\{\{[^{}]*\}\}|\$\{\w+\}|<no value>")
"""Placeholders that a template or a shell should have replaced."""

_AT_BOTH_ENDS = "with a letter or digit at both ends"


def placeholder_advice(text: str) -> str | None:
    """Return what to do about a placeholder in a text; None if there is none."""
    placeholder = _PLACEHOLDER.search(text)
    return placeholder and f"monopod does not substitute {placeholder[0]}; write a value, or render the file first"


def invalid(text: str, what: str, rule: str) -> str:
    """Return the message for an invalid text: the rule, or the placeholder that is the cause."""
    return f"'{text}' is not {what}: {placeholder_advice(text) or f'use {rule}'}"


def label_problem(text: str) -> str | None:
    """Return what is wrong with the name of a namespace, container or volume (a DNS label); None if it is valid."""
    if LABEL.fullmatch(text) and len(text) <= LONGEST_LABEL:
        return None
    return invalid(text, "a valid name", f"at most 63 lower-case letters, digits and '-', {_AT_BOTH_ENDS}")


def subdomain_problem(text: str) -> str | None:
    """Return what is wrong with the name of an object such as a claim (a DNS subdomain); None if it is valid."""
    if SUBDOMAIN.fullmatch(text) and len(text) <= LONGEST_SUBDOMAIN:
        return None
    return invalid(text, "a valid name", f"at most 253 lower-case letters, digits, '-' and '.', {_AT_BOTH_ENDS}")


def prefix_problem(text: str) -> str | None:
    """Return what is wrong with the start of a name (``generateName``); None if it is valid."""
    if subdomain_problem(f"{text}x") is None:
        return None
    return f"'{text}' cannot begin a name: use lower-case letters, digits, '-' and '.', with a letter or digit first"


def key_problem(text: str) -> str | None:
    """Return what is wrong with a key of a ConfigMap or Secret; None if it is valid."""
    if _KEY.fullmatch(text) and len(text) <= LONGEST_SUBDOMAIN and text not in (".", "..") and text[:2] != "..":
        return None
    return invalid(text, "a valid key", "at most 253 letters, digits, '-', '_' and '.', without '..' at its start")


def path_problem(text: str) -> str | None:
    """Return what is wrong with a path inside a volume; None if it is valid. An empty path is the volume itself."""
    if text.startswith("/") or ".." in text.split("/") or "\0" in text:
        return f"'{text}' is not a path inside the volume: use a relative path without '..'"
    return None
