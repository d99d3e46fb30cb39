"""Fixtures of the coordinator's tests."""

import signal

import pytest
from registry_server import registry, start_registry  # noqa: F401  # fixtures


@pytest.fixture
def signals_restored():
    """Restore the signal handlers that a coordinator sets."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        signal.signal(number, handler)
