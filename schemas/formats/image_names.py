"""Image names that kubelet accepts.

Rules: the grammar of references of the distribution project (distribution/reference, ``ParseNormalizedNamed``), which
kubelet, containerd, CRI-O and podman share. Others fail with InvalidImageName. Standard library only.
"""

from __future__ import annotations

import re

from monopod.schemas.formats.object_names import placeholder_advice

_HOST = r"[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*"
_DOMAIN = rf"(?:{_HOST}(?:\.{_HOST})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})"
_IMAGE = re.compile(rf"(?P<name>(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*)(?::{_TAG})?(?:@{_DIGEST})?", re.ASCII)
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)

LONGEST_NAME = 255
"""A name without tag and digest."""
_LONGEST = 600


def image_problem(text: str) -> str | None:
    """Return what is wrong with an image name, and what to do; None if it is valid."""
    match = _IMAGE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is not None and len(match["name"]) <= LONGEST_NAME and not _IDENTIFIER.fullmatch(text):
        return None
    shown = text if len(text) <= LONGEST_NAME else f"{text[:80]}…"
    return f"'{shown}' is not the name of an image; {_advice(text)}"


def _advice(text: str) -> str:
    if (placeholder := placeholder_advice(text)) is not None:
        return placeholder
    if text.startswith("uses:"):
        return "only Lighthouse (Jenkins X) supports uses:; write the Steps, or refer to a Task"
    scheme = _SCHEME.match(text)
    if scheme is not None:
        return f"write it without {scheme[0]}"
    if text != text.strip() or any(character.isspace() for character in text):
        return "write it without blanks"
    if text.lower() != text and _IMAGE.fullmatch(text.lower()):
        return "write the repository in lower case"
    return "expected REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST"
