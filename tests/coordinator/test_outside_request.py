"""Requests from outside the Pod."""

import os
import stat

import pytest

from monopod.coordinator import outside_request
from monopod.coordinator.control_directory import ControlDirectory
from monopod.runtime.carried import installed_runtime


def test_container_that_cannot_start_is_marked_with_the_reason(tmp_path):
    (tmp_path / "steps" / "build-act").mkdir(parents=True)
    ask = ["--root", str(tmp_path), "dead", "build-act", "ImagePullBackOff"]
    assert outside_request.main([*ask, "no such\nimage"]) == 0
    assert outside_request.main([*ask, "asked for again"]) == 0
    found = tmp_path / "steps" / "build-act" / "alive"
    assert stat.S_ISREG(found.stat().st_mode)
    assert os.listdir(found.parent) == ["alive"]
    directory = ControlDirectory(str(found.parent))
    assert directory.liveness() == "dead"
    assert directory.start_failure() == ("ImagePullBackOff", "no such image")
    directory.close()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n" * 9000, b"one line", b"\n\n\n"])
def test_malformed_mark_is_harmless(tmp_path, content):
    (tmp_path / "alive").write_bytes(content)
    directory = ControlDirectory(str(tmp_path))
    assert directory.liveness() == "dead"
    reason, message = directory.start_failure()
    assert "\n" not in reason + message
    assert (reason, message) == ("", "") or content.strip()
    directory.close()


def test_unknown_container(tmp_path, capsys):
    assert outside_request.main(["--root", str(tmp_path), "dead", "nobody", "StartError", "why"]) == 1
    assert capsys.readouterr().err == "dead nobody: No such file or directory\n"


def test_coordinator_gets_a_signal(monkeypatch):
    sent = []
    monkeypatch.setattr(os, "kill", lambda *given: sent.append(given))
    assert outside_request.main(["signal", "10"]) == 0
    assert sent == [(1, 10)]


def test_module_is_in_the_carried_runtime():
    assert "coordinator/outside_request.py" in installed_runtime().modules


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["signal"],
        ["signal", "x"],
        ["dead", "x"],
        *(["dead", name, "A", "b"] for name in ("../x", ".x", "")),
        ["stop"],
    ],
)
def test_wrong_usage(wrong, capsys):
    assert outside_request.main(wrong) == 2
    assert capsys.readouterr().err.startswith("usage: ")
