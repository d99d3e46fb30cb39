"""Names of slots, containers and volumes: DNS labels that a person can read.

Rules:

- A name is made of the author's own words, joined by hyphens. If they are too long, not a DNS label, or taken already,
  the name ends in a short hash of the words. The same calls in the same order return the same names.
- A slot's name leaves room for the Step's name in the container's name. A container's name leaves room for a prefix in
  the names of its volumes. Both are therefore rarely cut.
- Every function adds the name that it returns to ``taken``.

Left to others: what needs a name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import MutableSet, Sequence

MAX_NAME = 63
"""Length of a DNS label (RFC 1123), which names of containers and volumes are."""
MAX_CONTAINER_NAME = MAX_NAME - len("control-")
MAX_SLOT_NAME = 40
_MAX_STEP_WORD = 32
_DIGEST_LENGTH = 6

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NOT_IN_LABEL = re.compile(r"[^a-z0-9]+")
_NOT_IN_LABEL_VALUE = re.compile(r"[^A-Za-z0-9_.-]+")


def slot_name(task_path: Sequence[str], index: int | None, taken: MutableSet[str]) -> str:
    """Return a new name for a slot of a Task; `task_path` are the PipelineTasks' names, outermost first.

    `index` numbers the slots of a matrix; it is None for a Task with a single slot.
    """
    suffix = "" if index is None else f"-{index}"
    name = _label(task_path, MAX_SLOT_NAME - len(suffix)) + suffix
    return _unique(name, (*task_path, suffix), MAX_SLOT_NAME, taken)


def container_name(slot: str, step: str, taken: MutableSet[str]) -> str:
    """Return a new name for the container of a Step or Sidecar; both words stay readable where one must be cut."""
    step_word = _label((step,), _MAX_STEP_WORD)
    name = f"{_label((slot,), MAX_CONTAINER_NAME - 1 - len(step_word))}-{step_word}"
    return _unique(name, (slot, step), MAX_CONTAINER_NAME, taken)


def volume_name(words: Sequence[str], taken: MutableSet[str]) -> str:
    """Return a new name for a volume, made of `words`: ``("workspace", "source")`` gives ``workspace-source``."""
    return _unique(_label(words, MAX_NAME), words, MAX_NAME, taken)


def label_value(text: str) -> str:
    """Return `text` as the value of a Kubernetes label, unchanged where it can be one."""
    value = _NOT_IN_LABEL_VALUE.sub("-", text).strip("-_.")
    return value if value == text and len(value) <= MAX_NAME else _with_digest(value, (text,), MAX_NAME)


def _label(words: Sequence[str], limit: int) -> str:
    """Return `words` as one DNS label of at most `limit` characters."""
    text = "-".join(words)
    label = _NOT_IN_LABEL.sub("-", text.lower()).strip("-") if not _is_label(text) else text
    return label if label and label == text and len(label) <= limit else _with_digest(label, words, limit)


def _is_label(text: str) -> bool:
    return _LABEL.fullmatch(text) is not None


def _unique(name: str, words: Sequence[str], limit: int, taken: MutableSet[str]) -> str:
    unique, number = name, 0
    while unique in taken:
        number += 1
        unique = _with_digest(name, (*words, str(number)), limit)
    taken.add(unique)
    return unique


def _with_digest(label: str, words: Sequence[str], limit: int) -> str:
    """Return `label` cut so that it ends, within `limit`, in a hash of `words`."""
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{label[: limit - 1 - _DIGEST_LENGTH].rstrip('-_.')}-{digest}".lstrip("-")
