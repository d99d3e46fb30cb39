"""For all tests: none fails because a busy machine is slow, none waits forever, and none leaves records behind.

`monopod run` without ``--backend`` means the host in tests, also on a machine that has podman.
"""

import os
import signal
import tempfile

import pytest
from hypothesis import settings

settings.register_profile("monopod", deadline=None)
settings.load_profile("monopod")

os.environ["MONOPOD_BACKEND"] = "host"

LONGER = ("MONOPOD_EVERY_POINT", "MONOPOD_FUZZ_EXAMPLES", "MONOPOD_HOSTILE_RUNS", "MONOPOD_OUTPUT_MIB",
          "MONOPOD_RANDOM_PIPELINES")  # fmt: skip
"""Variables that set the number of cases of a test, which may then take any time."""


def pytest_configure(config):
    _hear_signals()
    if any(name in os.environ for name in LONGER) and config.getoption("timeout") is None:
        config.option.timeout = 0


def _hear_signals():
    """Give the processes of tests every signal, even if the caller ignores some (``nohup make test``, a CI agent).

    A handler that does nothing also ignores a signal, but programs that tests execute do not inherit it.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:  # which Python ignores
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@pytest.fixture(scope="session", autouse=True)
def _records_of_their_own():
    with tempfile.TemporaryDirectory(prefix="monopod-records-", ignore_cleanup_errors=True) as directory:
        os.environ["XDG_STATE_HOME"] = directory
        yield
