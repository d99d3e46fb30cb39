"""The entry points of `monopod`, `compile-pipeline`, `kubectl-monopod` and `kubectl_complete-monopod`.

Ctrl-C can arrive at any time and must never print a traceback. Python raises KeyboardInterrupt anywhere, even while it
imports modules and while it exits. Therefore:

- Before and after a command, SIGINT ends the process, as it ends any other program. Importing this module sets that
  first, and `_run` restores it.
- While a command runs, the first SIGINT raises KeyboardInterrupt, so that the command can clean up
  (``system.program``). The second SIGINT ends the process. `monopod run` handles SIGINT itself (``signals``).
- An interrupted command ends by SIGINT, which a shell reports as exit code 130, so that loops in scripts end too.
- SIGINT stays ignored if the caller ignores it (``&`` in a script).

The first 10 ms or so, before Python runs the first line of a program, cannot be covered.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # built in; `signal` takes a few milliseconds

_IS_IGNORED = _signal.getsignal(_signal.SIGINT) == _signal.SIG_IGN
if not _IS_IGNORED:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import contextlib  # noqa: E402  # the signal handler must be set first
import os  # noqa: E402
import sys  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from monopod.runner.exit_codes import CANCELLED  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def main() -> int:
    """Run `monopod` or `kubectl monopod` with the arguments of this process.

    ``monopod __complete WORD...``, which is not listed in --help, answers the completion scripts of the shells.
    """
    if sys.argv[1:2] == ["__complete"]:
        from monopod.runner.completion import answers  # noqa: PLC0415  # slow to import

        return answers.answer(sys.argv[2:], is_plugin=False)
    return _run(_command_line().main)


def compile_pipeline() -> int:
    """Run `compile-pipeline FILE...`, an alias of `monopod compile`."""
    return _run(_command_line().compile_pipeline)


def complete() -> int:
    """Run `kubectl_complete-monopod`, which kubectl calls for completions."""
    from monopod.runner.completion import answers  # noqa: PLC0415  # slow to import

    return answers.main()


def _command_line() -> ModuleType:
    """Import the command line, which is slow, in the way that is fast for a command that ends soon."""
    from monopod.system.lazy_methods import compile_methods_lazily  # noqa: PLC0415  # slow to import

    compile_methods_lazily()
    from monopod.runner import command_line  # noqa: PLC0415

    return command_line


def _run(command: Callable[[], int]) -> int:
    """Run a command and return its exit code. An interrupt ends this process."""
    if _IS_IGNORED:
        return command()
    sys.unraisablehook = _handle_unraisable
    try:
        try:
            _signal.signal(_signal.SIGINT, _interrupt)
            return command()
        finally:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        return _exit_by_sigint()


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an exception is an interrupt, or was raised because of one.

    Python 3.11 wraps one that arrives while it creates a class, and the `finally` of libraries can fail after one
    (argparse.parse_known_intermixed_args).
    """
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _interrupt(*_: object) -> None:
    """Raise KeyboardInterrupt. The next SIGINT ends the process."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    raise KeyboardInterrupt


def _handle_unraisable(unraisable: Any) -> None:
    """End the process if an interrupt arrived where Python cannot raise it, such as in a destructor."""
    error = unraisable.exc_value
    # the OSError: a signal that arrived while its handler was replaced (Modules/signalmodule.c)
    is_late = isinstance(error, OSError) and "due to race condition" in str(error)
    if is_late or isinstance(error, KeyboardInterrupt):
        os._exit(_exit_by_sigint())
    sys.__unraisablehook__(unraisable)


def _exit_by_sigint() -> int:
    """End this process by SIGINT. Returns 130 where the kernel does not deliver it (PID 1)."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.kill(os.getpid(), _signal.SIGINT)
    return CANCELLED
