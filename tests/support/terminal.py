"""A real command on a pseudo-terminal, and the screen of its user."""

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from screen import Screen

PATIENCE = 300.0
"""Seconds after which what was waited for is given up."""


class Terminal:
    """Runs a command on a terminal of this many columns and rows. Use it as a context manager."""

    def __init__(self, command, environment, width, height):
        self.screen = Screen(width, height)
        self.sent = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._master, slave = pty.openpty()
        self._set_size(width, height)

        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],  # the terminal is its own, so Ctrl-C and a new size reach it
            env={"LANG": "C.UTF-8", "TERM": "xterm-256color", **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _set_size(self, width, height):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def resize(self, width, height):
        """Change the size, which the kernel reports to the command."""
        self.screen.resize(width, height)
        self._set_size(width, height)

    @property
    def foreground(self):
        """The process group that has the terminal."""
        return os.tcgetpgrp(self._master)

    def type(self, text):
        os.write(self._master, text.encode())

    def wait_until(self, condition):
        """Read until the screen satisfies a predicate."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.screen):
            if not self._read(deadline):
                raise AssertionError("never seen; what was seen last:\n" + self.screen.text)

    def wait_for(self, text):
        self.wait_until(lambda screen: text in "\n".join(screen.rows))

    def finish(self):
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait()

    def _read(self, deadline):
        """Read once; return whether there was any output."""
        if not select.select([self._master], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise AssertionError("nothing more was written; what was seen last:\n" + self.screen.text)
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: no process has the terminal open any more
            return False
        text = self._decoder.decode(data)
        self.sent += text
        self.screen.write(text)
        return bool(data) and time.monotonic() < deadline
