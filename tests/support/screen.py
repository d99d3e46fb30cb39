"""A terminal with scrollback, emulated by pyte, so that tests can check what a user sees."""

import io

import pyte


class Screen(io.StringIO):
    """A terminal of some size, to write to."""

    def __init__(self, width, height):
        super().__init__()
        self._screen = pyte.HistoryScreen(width, height, history=1_000_000, ratio=0.5)
        self._screen.set_mode(pyte.modes.LNM)  # as the terminal driver does: a newline goes to the start of a line
        self._stream = pyte.Stream(self._screen)
        self.writes = 0

    def isatty(self):
        return True

    def write(self, text):
        self.writes += 1
        self._stream.feed(text)
        return len(text)

    @property
    def width(self):
        return self._screen.columns

    @property
    def height(self):
        return self._screen.lines

    @property
    def cursor_is_visible(self):
        return not self._screen.cursor.hidden

    @property
    def rows(self):
        """The visible text, a string for each row."""
        return [row.rstrip() for row in self._screen.display]

    @property
    def text(self):
        """The visible text with the scrollback."""
        above = [
            "".join(line[column].data for column in range(self._screen.columns)).rstrip()
            for line in self._screen.history.top
        ]
        return "\n".join([*above, *self.rows]).rstrip("\n") + "\n"

    def colour_of(self, text):
        """The colour of the first character of a visible text."""
        for number, row in enumerate(self._screen.display):
            if text in row:
                return self._screen.buffer[number][row.index(text)].fg
        raise AssertionError(f"{text!r} is not to be seen")

    def resize(self, width, height):
        self._screen.resize(height, width)
