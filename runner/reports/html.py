"""Builds HTML from pieces and escapes all text.

Text that is not `Html` is escaped in elements and attributes, because names, messages and output come from untrusted
Steps. Control characters and direction marks are shown as escapes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

from monopod.schemas.formats.visible_text import visible_lines


class Html(str):
    """Trusted markup, built by this package."""

    __slots__ = ()


Child: TypeAlias = "str | Html | Iterable[str | Html] | None"

_EMPTY_ELEMENTS = ("meta", "link", "input", "br")


def escaped(text: str) -> Html:
    """Return `text` as escaped markup."""
    return text if isinstance(text, Html) else Html(html.escape(visible_lines(text), quote=True))


def joined(*children: Child) -> Html:
    """Concatenate children."""
    return Html("".join(_pieces(children)))


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, str):
            yield escaped(child)
        elif child is not None:
            yield from _pieces(child)


def tag(name: str, /, *children: Child, **attributes: str | bool | float | None) -> Html:
    """Return an element. ``class_`` becomes class, ``aria_label`` becomes aria-label; None and False are omitted."""
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value not in (None, False))
    if name in _EMPTY_ELEMENTS:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def _attribute(key: str, value: str | bool | float | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'
