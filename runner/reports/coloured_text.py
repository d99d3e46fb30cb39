"""A line of output as HTML: escaped text, colours as CSS classes, and no other control sequences.

Only the sixteen colours of a terminal are used, because the page can guarantee that they are readable. Any other colour
becomes the nearest of them. Background colours are dropped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from monopod.runner.display.printable import printable

_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_STYLES = {1: "b", 2: "d", 3: "i", 4: "u", 9: "s"}
_STYLES_OFF = {22: "bd", 23: "i", 24: "u", 29: "s"}


def coloured_text(text: str) -> str:
    """Return one line of output as HTML."""
    kept = printable(text, colours=True)
    if "\x1b" not in kept:
        return html.escape(kept)
    pieces = _SGR.split(kept)
    colour, styles = "", ""
    written = [html.escape(pieces[0])]
    for codes, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        colour, styles = _applied(codes, colour, styles)
        classes = " ".join([*([f"c{colour}"] if colour else []), *(f"t{style}" for style in styles)])
        shown = html.escape(piece)
        written.append(f'<span class="{classes}">{shown}</span>' if piece and classes else shown)
    return "".join(written)


def _applied(codes: str, colour: str, styles: str) -> tuple[str, str]:
    """Return the colour (a number, or empty) and the styles after an SGR sequence."""
    numbers = iter([int(code) if code else 0 for code in re.split("[;:]", codes[:200])])
    for number in numbers:
        if number == 0:
            colour, styles = "", ""
        elif number in _STYLES:
            styles = "".join(dict.fromkeys(styles + _STYLES[number]))
        elif number in _STYLES_OFF:
            styles = "".join(style for style in styles if style not in _STYLES_OFF[number])
        elif number in (38, 48):
            extended = _extended(numbers)
            colour = extended if number == 38 else colour
        elif number == 39:
            colour = ""
        elif 30 <= number <= 37 or 90 <= number <= 97:
            colour = str(number - 30 if number < 40 else number - 82)
    return colour, styles


def _extended(numbers: Iterator[int]) -> str:
    """Return the colour of ``5;N`` or ``2;R;G;B``."""
    kind = next(numbers, None)
    if kind == 5:
        number = min(next(numbers, -1), 255)
        if number < 16:
            return str(number) if number >= 0 else ""
        if number >= 232:
            return _nearest(*[8 + 10 * (number - 232)] * 3)
        cube = number - 16
        return _nearest(*(51 * (cube // power % 6) for power in (36, 6, 1)))
    if kind == 2:
        red, green, blue = (min(next(numbers, 0), 255) for _ in range(3))
        return _nearest(red, green, blue)
    return ""


def _nearest(red: int, green: int, blue: int) -> str:
    """Return the terminal colour that is nearest in hue; a grey is not a colour."""
    most, least = max(red, green, blue), min(red, green, blue)
    if most - least < 40:
        return "8" if 40 < most < 200 else ""
    middle = (most + least) / 2
    number = (red > middle) + 2 * (green > middle) + 4 * (blue > middle)
    return str(number + (8 if most > 200 else 0))
