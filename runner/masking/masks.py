"""Secret values, and texts without them: each is replaced by `MASK`.

Rules:

- No line contains a recognised form (``forms``) of a value afterwards. Everything else stays as it is. Forms that
  overlap or touch become one mask.
- A Step adds a value with a line ``::add-mask::VALUE``, as in GitHub Actions: the value is masked in that line and
  in all later ones, whichever Task writes them. Values with several lines are written with ``%0A`` for a line end.
  Such a line has at most `LONGEST_REQUEST` bytes, and all values together `MOST_REQUESTED_BYTES`.
- A value is recognised also with colours and other control sequences in it, because they are removed where it is
  shown. Such a line loses its colours.
- Much output costs little. For each value, a few letters and digits that all of its forms contain are searched first.
  If there are many values, one pass over the text finds the aligned words of eight bytes that they consist of.
  A value that overlaps itself (``aaaa``) is not searched at each of its positions.

Pure. Left to others: where values come from (``secret_values``, ``runner.secrets``), events and documents (``masked``).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from monopod.runner.display.printable import without_sequences
from monopod.runner.masking.forms import SHORTEST, forms_of
from monopod.schemas.formats.sizes import format_size

MASK = "***"
MOST_REQUESTED = 1000
"""How many values Steps can add. Each costs time in all later output."""
LONGEST_REQUEST = 1024 * 1024
"""Bytes of a line that asks to mask a value: Secrets of Kubernetes are not larger."""
MOST_REQUESTED_BYTES = 4 * LONGEST_REQUEST
"""How long the values that Steps add are together. Each has forms that take several times as much memory."""

_REQUEST = "::add-mask::"
_REQUEST_BYTES = _REQUEST.encode()
_REQUEST_LINE = re.compile(r"\s*::add-mask::(.*)", re.DOTALL)
_ESCAPES = {"%25": "%", "%0D": "\r", "%0A": "\n"}
_ESCAPE = re.compile("%25|%0D|%0A", re.IGNORECASE)
_MOST_NEEDLES = 24
_WORD = 8
_ELLIPSIS = "…"
_SHORTEST_PROBE = 6
_STEPS = (4096, 512, 64, 8, 1)
"""How many characters of a repetition are compared at once: first many, for speed, then what is left."""
_LETTERS = re.compile("[0-9A-Za-z]+")


class Masks:
    """The secret values of one run. Without values, a text costs nothing."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        """What the user should know of requests, until somebody takes it out."""
        self._requests: set[str] = set()
        self._requested_bytes = 0
        self._groups: dict[str, set[str]] = {}  # forms by what is searched first
        self._needles: list[str] = []  # searched one by one
        self._words: dict[int, list[str]] = {}  # in one pass, for the others
        self._longest = 0  # bytes
        self._sorted: list[str] = []  # all forms, once a beginning is searched

    def add(self, value: str) -> bool:
        """Mask a further value from now on. Returns whether it can be: very short ones cannot."""
        return self.add_value(_encoded(value))

    def mask(self, text: str) -> str:
        """Return a text of one or several lines without secrets, also with its colours and other sequences removed."""
        masked = self._masked(text)
        plain = without_sequences(masked) if self._groups else masked
        if plain == masked or not self._found(plain):
            return masked
        return "\n".join(map(self._masked_as_read, masked.split("\n")))

    def _masked_as_read(self, line: str) -> str:
        """Return a line without its colours and other sequences, if there is a secret in it then."""
        plain = without_sequences(line)
        return self._masked(plain) if self._found(plain) else line

    def _masked(self, text: str) -> str:
        found = self._found(text)
        return _replaced(text, _spans(text, found)) if found else text

    def mask_message(self, text: str) -> str:
        """Return a message without secrets, also those of which only the beginning is left, before a ``…``."""
        masked = self.mask(text)
        if _ELLIPSIS not in masked or not self._groups:
            return masked
        pieces = masked.split(_ELLIPSIS)
        return _ELLIPSIS.join([*map(self._without_beginning, pieces[:-1]), pieces[-1]])

    def mask_output(self, text: str) -> str:
        """Return lines of a Step, joined by newlines, without secrets. Follows the requests in them."""
        if _REQUEST not in text:
            return self.mask(text)
        masked: list[str] = []
        waiting: list[str] = []
        for line in text.split("\n"):
            request = _REQUEST_LINE.fullmatch(line)
            if request is None:
                waiting.append(line)
                continue
            if waiting:
                masked.append(self.mask("\n".join(waiting)))
                waiting = []
            self._follow(request[1])
            masked.append(f"{line[: request.start(1)]}{MASK}")
        if waiting:
            masked.append(self.mask("\n".join(waiting)))
        return "\n".join(masked)

    def learn(self, output: bytes | bytearray) -> None:
        """Follow the requests in lines of a Step when they are read, so that no later line is cut inside a value.

        `mask_output` follows them as well, but only when the lines are shown, which may be much later.
        """
        if _REQUEST_BYTES not in output:
            return
        for line in output.decode(errors="replace").split("\n"):
            request = _REQUEST_LINE.fullmatch(line)
            if request is not None:
                self._follow(request[1])

    def cut_request(self) -> None:
        """Note that the line of a request was cut, so that the end of its value is not known."""
        size = format_size(LONGEST_REQUEST)
        self.warnings.append(
            f"a line with ::add-mask:: is longer than {size}; the rest of its value is not masked later"
        )

    @property
    def margin(self) -> int:
        """How many bytes after a position must be known to decide whether a secret spans it."""
        return max(0, self._longest - 1)

    def safe_cut(self, line: bytes | bytearray, start: int, end: int) -> tuple[int, int]:
        """Return where to cut a line that begins at `start`: at `end`, or before or after a secret that spans it.

        The second number is where the next piece begins: before the cut if secrets overlap there, so that its beginning
        is recognised as well. `end` is not inside a UTF-8 character. `margin` bytes after it are looked at.
        """
        if not self._groups:
            return end, end
        text = line[start:end].decode(errors="replace")
        position = len(text)
        text += line[end : end + self.margin].decode(errors="replace")  # as shown: a value may have U+FFFD
        forms = self._found(text)
        first = next((first for first, last in _spans(text, forms) if first < position < last), position)
        if first == position:
            return end, end
        window = line[start : end + self.margin]
        if first:
            cut = start + _bytes_of(window, first)
            return cut, cut
        # Forms that begin before `end` are known to their ends. The one that reaches furthest covers the piece after
        # `end`. The next piece begins with it, so that a form that begins inside of it is recognised as well.
        last_starts = ((form, text.rfind(form, 0, position + len(form) - 1)) for form in forms)
        last, begin = max((at + len(form), at) for form, at in last_starts if at >= 0)
        if last <= position:
            return end, end
        return start + _bytes_of(window, last), start + _bytes_of(window, begin or last)

    def _without_beginning(self, text: str) -> str:
        """Return a text with its end masked, if that is the beginning of a secret."""
        if not self._sorted:
            self._sorted = sorted({form for group in self._groups.values() for form in group})
        for start in range(max(0, len(text) - self._longest), len(text) - SHORTEST + 1):
            end = text[start:]
            position = bisect_left(self._sorted, end)
            if position < len(self._sorted) and self._sorted[position].startswith(end):
                return text[:start] + MASK
        return text

    def _follow(self, value: str) -> None:
        """Follow a request, unless it was followed before."""
        value = _ESCAPE.sub(lambda match: _ESCAPES[match[0].upper()], value)
        is_full = len(self._requests) > MOST_REQUESTED or self._requested_bytes > MOST_REQUESTED_BYTES
        if is_full or value in self._requests:
            return
        self._requests.add(value)
        self._requested_bytes += len(value)
        if len(self._requests) > MOST_REQUESTED:
            self.warnings.append(f"Steps asked to mask more than {MOST_REQUESTED} values; no further ones are masked")
        elif self._requested_bytes > MOST_REQUESTED_BYTES:
            size = format_size(MOST_REQUESTED_BYTES)
            self.warnings.append(f"Steps asked to mask values of more than {size} together; no further ones are masked")
        elif not self.add(value) and value.strip():
            self.warnings.append(f"a value of an ::add-mask:: has fewer than {SHORTEST} characters and is not masked")

    def add_value(self, value: bytes) -> bool:
        """Mask a further value, which may not be text. Returns whether it can be."""
        groups = forms_of(value)
        self._sorted = []
        for group in groups:
            probe = _common_letters(group)
            for form in group:
                needle = probe or form
                if needle not in self._groups:
                    self._groups[needle] = set()
                    self._needles.append(needle)
                self._groups[needle].add(form)
                self._longest = max(self._longest, len(_encoded(form)))
        if len(self._needles) > _MOST_NEEDLES:
            self._needles = [needle for needle in self._needles if not self._split(_encoded(needle), needle)]
        return bool(groups)

    def _split(self, data: bytes, needle: str) -> bool:
        """Search a needle by its words from now on; return whether it is long enough: one of the first is aligned."""
        if len(data) < 2 * _WORD - 1:
            return False
        for start in range(_WORD):
            (word,) = memoryview(data[start : start + _WORD]).cast("Q")
            self._words.setdefault(word, []).append(needle)
        return True

    def _found(self, text: str) -> list[str]:
        """Return the forms that are in a text."""
        needles = {needle for needle in self._needles if needle in text}
        if self._words:
            data = _encoded(text)
            words = memoryview(data)[: len(data) // _WORD * _WORD].cast("Q")
            if not self._words.keys().isdisjoint(words):
                needles |= {needle for word in self._words.keys() & set(words) for needle in self._words[word]}
        return [form for needle in needles for form in self._groups[needle] if form in text]


def begins_request(line: bytes | bytearray) -> bool:
    """Return whether a line whose beginning this is asks to mask a value."""
    start = line.find(_REQUEST_BYTES)
    return start == 0 or (start > 0 and line[:start].decode(errors="replace").isspace())


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _common_letters(group: Sequence[str]) -> str:
    """Return the longest run of letters and digits that all forms of a group contain; empty if it is short."""
    probe = max(_LETTERS.findall(group[0]), key=len, default="")
    return probe if len(probe) >= _SHORTEST_PROBE and all(probe in form for form in group) else ""


def _bytes_of(data: bytes | bytearray, count: int) -> int:
    """Return how many bytes the first characters of a text with invalid bytes are."""
    lengths = range(len(data) + 1)
    return bisect_right(lengths, count, key=lambda size: len(data[:size].decode(errors="replace"))) - 1


def _runs(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Yield spans that cover what all occurrences of a form cover, in time linear in the text.

    Two occurrences that overlap or touch are as far apart as the form repeats itself. All further ones at that distance
    are in the same span: as long as the text repeats as well. What overlaps without that is half a form apart or more.
    """
    start = text.find(form)
    while start >= 0:
        end = start + len(form)
        following = text.find(form, start + 1, end + len(form))
        if following < 0:
            yield start, end
            start = text.find(form, end)
            continue
        end = _end_of_repetition(text, following + len(form), form[start - following :])
        yield start, end
        start = text.find(form, end - len(form) + 1)


def _end_of_repetition(text: str, position: int, unit: str) -> int:
    """Return where a text stops to repeat `unit`, from a position on."""
    for size in _STEPS:
        step = unit * max(1, size // len(unit))
        while text.startswith(step, position):
            position += len(step)
    return position


def _spans(text: str, forms: Iterable[str]) -> list[tuple[int, int]]:
    """Return what the occurrences of forms cover, in order; occurrences that overlap or touch are one span."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(run for form in forms for run in _runs(text, form)):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _replaced(text: str, spans: Iterable[tuple[int, int]]) -> str:
    pieces: list[str] = []
    position = 0
    for start, end in spans:
        pieces += text[position:start], MASK
        position = end
    return "".join([*pieces, text[position:]])
