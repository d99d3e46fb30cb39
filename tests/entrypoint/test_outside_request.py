"""What somebody outside of the Pod asks for."""

import importlib.util
import os
import stat
from pathlib import Path

import pytest

from monopod.entrypoint import outside_request
from monopod.entrypoint.control_directory import ControlDirectory


def test_a_container_is_declared_dead(tmp_path):
    (tmp_path / "steps" / "build-act").mkdir(parents=True)
    ask = ["--root", str(tmp_path), "dead", "build-act"]
    assert outside_request.main(ask) == 0
    assert outside_request.main(ask) == 0  # it may be asked for again
    found = tmp_path / "steps" / "build-act" / "alive"
    assert stat.S_ISREG(found.stat().st_mode)
    directory = ControlDirectory(str(found.parent))
    assert directory.liveness() == "dead"
    directory.close()


def test_a_container_that_is_not_there(tmp_path, capsys):
    assert outside_request.main(["--root", str(tmp_path), "dead", "nobody"]) == 1
    assert capsys.readouterr().err == "dead nobody: No such file or directory\n"


def test_the_coordinator_gets_a_signal(monkeypatch):
    sent = []
    monkeypatch.setattr(os, "kill", lambda *given: sent.append(given))
    assert outside_request.main(["signal", "10"]) == 0
    assert sent == [(1, 10)]


def test_it_is_in_the_runtime_image():
    path = Path(__file__).parents[2] / "images" / "build.py"
    spec = importlib.util.spec_from_file_location("build_image", path)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert path.parents[1] / "entrypoint" / "outside_request.py" in set(build.modules(path.parents[1]))


@pytest.mark.parametrize(
    "wrong", [[], ["signal"], ["signal", "x"], ["dead", "../x"], ["dead", ".x"], ["dead", ""], ["stop", "1"]]
)
def test_wrong_usage(wrong, capsys):
    assert outside_request.main(wrong) == 2
    assert capsys.readouterr().err.startswith("usage: ")
