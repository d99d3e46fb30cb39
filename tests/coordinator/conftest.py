"""What the tests of the coordinator share: signals that are put back."""

import signal

import pytest


@pytest.fixture
def signals_restored():
    """Put back the handlers that a coordinator sets."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        signal.signal(number, handler)
