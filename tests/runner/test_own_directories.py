"""The directories for files that outlive a run."""

from __future__ import annotations

import os

import pytest

from monopod.compiler.remote.cache import Cache
from monopod.runner.records import own_directories


@pytest.mark.parametrize("given", ["/elsewhere", "", "relative"])
def test_absolute_xdg_directories_are_used(monkeypatch, given):
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, given)
    found = [own_directories.state(), own_directories.data(), own_directories.cache()]
    if given == "/elsewhere":
        assert found == ["/elsewhere/monopod"] * 3
    else:
        assert found == [f"/home/me/{each}/monopod" for each in (".local/state", ".local/share", ".cache")]
    assert os.path.dirname(Cache.of_user(os.environ).directory) == found[2]
