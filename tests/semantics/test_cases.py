"""Each case is a run with its expected outcome, which is the same on every backend, and so is the status.

``semantic_cases`` describes the files in ``cases/``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finished_run import FinishedRun
from semantic_cases import CASES, check, containers_without_identity, read

from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("backend_name", ["host", "podman"])
@pytest.mark.parametrize("name", CASES)
def test_case_is_the_same_on_every_backend(
    name: str,
    backend_name: str,
    make_backend: Callable[[str], Any],
    run_once: Callable[..., FinishedRun],
    tmp_path: Path,
):
    text, expected = read(name)
    if expected.get("containers") and backend_name == "host":
        pytest.skip("what only containers can do is not for the host backend")
    if expected.get("root") and backend_name == "host" and os.geteuid() != 0:
        pytest.skip("to be several users, the host backend needs root")
    file = tmp_path / f"{name}.yaml"
    file.write_text(text)

    def run(backend_name: str) -> FinishedRun:
        backend = make_backend(backend_name)
        image = ["--runtime-image", RUNTIME_IMAGE] if expected.get("prebuilt") and backend_name != "host" else []
        options = [*image, *expected.get("options", ())]
        return run_once(f"{name}-{backend_name}", lambda: backend.run("-f", file, *options))

    ran = run(backend_name)
    check(ran, expected)
    if backend_name == "podman":
        assert containers_without_identity(ran) == []
    if backend_name != "host" and not expected.get("containers") and not (expected.get("root") and os.geteuid()):
        on_host = run("host")
        assert ran.comparable() == on_host.comparable()
        assert ran.all_lines() == on_host.all_lines()
