"""The programs `monopod`, `compile-pipeline` and `kubectl-monopod`, from their first line to their last.

Ctrl-C may come at any time, and a person who presses it wants no traceback. Python answers SIGINT with a
KeyboardInterrupt wherever it is: also while it imports modules, and while it ends. Hence:

- Before a command runs, and once it has run, SIGINT ends the process as it ends any other program. That is set as the
  first thing that importing this module does, and `Interrupts` sets it again.
- While a command runs, SIGINT raises KeyboardInterrupt once, so that the command can end what it has started
  (``system.program``). Another SIGINT ends the process. `monopod run` handles SIGINT by itself (``signals``).
- A command that was interrupted ends by SIGINT, which a shell shows as exit code 130: a script's loop ends with it.
- SIGINT stays ignored for a caller who ignores it (``&`` in a script).

What Python does before it runs the first line of a program is out of reach: about 10 ms.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # it is there at once; `signal` takes a few milliseconds

_IS_IGNORED = _signal.getsignal(_signal.SIGINT) == _signal.SIG_IGN
if not _IS_IGNORED:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import contextlib  # noqa: E402  # what comes before is what this module is for
import os  # noqa: E402
import sys  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

INTERRUPTED = 130


def main() -> int:
    """Run `monopod` (or, as a plugin of kubectl, `kubectl monopod`) with the arguments of the process."""
    from monopod.runner import command_line  # noqa: PLC0415  # takes a while

    return _run(command_line.main)


def compile_pipeline() -> int:
    """Run `compile-pipeline FILE...`, which is `monopod compile`."""
    from monopod.runner import command_line  # noqa: PLC0415  # takes a while

    return _run(command_line.compile_pipeline)


def complete() -> int:
    """Run `kubectl_complete-monopod`, which kubectl asks for completions."""
    from monopod.runner.completion import kubectl as kubectl_completion  # noqa: PLC0415  # takes a while

    return kubectl_completion.main()


def _run(command: Callable[[], int]) -> int:
    """Run a command and return its exit code; an interrupt ends this process."""
    if _IS_IGNORED:
        return command()
    sys.unraisablehook = _unraisable
    try:
        try:
            _signal.signal(_signal.SIGINT, _interrupt)
            return command()
        finally:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    except KeyboardInterrupt:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        return _end()


def _interrupt(*_: object) -> None:
    """Raise KeyboardInterrupt; the next SIGINT ends the process."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    raise KeyboardInterrupt


def _unraisable(what: Any) -> None:
    """End the process if an interrupt came where Python can raise nothing, such as in a destructor."""
    is_late = isinstance(what.exc_value, OSError) and "due to race condition" in str(what.exc_value)
    if is_late or isinstance(what.exc_value, KeyboardInterrupt):  # late: between two handlers (Modules/signalmodule.c)
        os._exit(_end())
    sys.__unraisablehook__(what)


def _end() -> int:
    """End by SIGINT; return the exit code that says so, should the kernel not end the process (PID 1)."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.kill(os.getpid(), _signal.SIGINT)
    return INTERRUPTED
