"""The texts by which a secret value is recognised: itself, and the forms that programs write it in.

Rules:

- A value of several lines is recognised line by line, since output is. Lines of fewer than `SHORTEST_LINE` characters,
  lines without a letter or digit, and the first and last line of PEM blocks are in many texts, so they are left out.
- The forms are URL encoding, the escapes of JSON, XML and the shell, and base64: at any offset inside a longer text (a
  ``user:password`` pair), with both alphabets, and wrapped at 64 or 76 characters.
- A value that is not UTF-8 is recognised as base64 only, because output shows other bytes as U+FFFD.
- Texts have at most `LONGEST` characters: a longer one is recognised in pieces.

Pure. Left to others: finding the texts (``masks``).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from html import escape
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""The fewest characters of a value that is recognised."""
SHORTEST_LINE = 8
"""The fewest characters of a line, in a value of several lines, that is recognised."""
LONGEST = 1024
_SHORTEST_BASE64 = 8
_WRAPPED = (64, 76)
"""The line lengths of PEM, and of base64 and MIME."""
_PEM = re.compile(r"-----(BEGIN|END) [^-]*-----")
_LINE_END = re.compile(r"[\r\n]+")
_URL_SAFE = str.maketrans("+/", "-_")


def forms_of(value: bytes) -> list[tuple[str, ...]]:
    """Return groups of texts by which `value` is recognised; none if it is too short.

    The texts of a group are the same, except for escapes of characters that are not letters or digits of ASCII.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return _unique([*_base64(value), *_wrapped(value)])
    parts = _parts(text)
    groups = [group for part in parts for group in (*_escaped(part), *_base64(part.encode()))]
    if parts and len(value) > _WRAPPED[0] // 4 * 3:
        groups += _wrapped(value)
    return _unique(groups)


def _parts(text: str) -> list[str]:
    """Return the lines of a value that are recognised."""
    lines = [line for line in map(str.strip, _LINE_END.split(text)) if line]
    if len(lines) == 1:
        return [line for line in lines if len(line) >= SHORTEST and line.strip("*")]
    return [
        line
        for line in dict.fromkeys(lines)
        if len(line) >= SHORTEST_LINE and any(map(str.isalnum, line)) and not _PEM.fullmatch(line)
    ]


def _unique(groups: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(groups))


def _escaped(part: str) -> Iterator[tuple[str, ...]]:
    """Yield a line with its escaped forms."""
    percent = quote(part, safe="", errors="surrogatepass")
    forms = (
        part,
        percent,
        re.sub("%..", lambda match: match[0].lower(), percent),
        quote(part, errors="surrogatepass"),
        quote_plus(part, errors="surrogatepass"),
        json.dumps(part)[1:-1],
        json.dumps(part, ensure_ascii=False)[1:-1],
        escape(part, quote=False),
        escape(part),
        part.replace("'", "'\\''"),
    )
    if max(map(len, forms)) <= LONGEST:
        yield tuple(dict.fromkeys(forms))
    else:
        yield from ((piece,) for form in dict.fromkeys(forms) for piece in _pieces(form))


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in equal pieces, so that none is short."""
    count = -(-len(text) // LONGEST)
    size = -(-len(text) // count)
    yield from (text[start : start + size] for start in range(0, len(text), size))


def _base64(data: bytes) -> Iterator[tuple[str, ...]]:
    """Yield the characters of its base64 form that do not depend on what is before and after `data`, at each offset."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data).decode()
        fixed = encoded[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]
        if len(fixed) >= _SHORTEST_BASE64:
            yield from (_both_alphabets(piece) for piece in _pieces(fixed))
    if 8 * len(data) // 6 < _SHORTEST_BASE64:
        yield from (_both_alphabets(base64.b64encode(whole).decode()) for whole in (data, data + b"\n"))


def _wrapped(data: bytes) -> Iterator[tuple[str, ...]]:
    """Yield the lines of its base64 form, wrapped as programs wrap it."""
    fixed = base64.b64encode(data).decode()[: 8 * len(data) // 6]
    for width in _WRAPPED:
        lines = (fixed[start : start + width] for start in range(0, len(fixed), width))
        yield from (_both_alphabets(line) for line in lines if len(line) >= _SHORTEST_BASE64)


def _both_alphabets(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((text, text.translate(_URL_SAFE))))
