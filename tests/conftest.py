"""For all tests: nothing fails for being slow on a busy machine, and none leaves records where a person's lie."""

import os
import tempfile

import pytest
from hypothesis import settings

settings.register_profile("monopod", deadline=None)
settings.load_profile("monopod")


@pytest.fixture(scope="session", autouse=True)
def _records_of_their_own():
    with tempfile.TemporaryDirectory(prefix="monopod-records-", ignore_cleanup_errors=True) as directory:
        os.environ["XDG_STATE_HOME"] = directory
        yield
