"""The imports of the coordinator at its start: its own and quickly loading standard modules."""

import subprocess
import sys

import pytest

from monopod.runner.kubelet.runtime_image import PACKAGE_DIRECTORY

SLOW = {"argparse", "dataclasses", "inspect", "subprocess", "tempfile"}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    packages = tmp_path_factory.mktemp("packages")
    (packages / "monopod").symlink_to(PACKAGE_DIRECTORY)
    code = "import sys, monopod.coordinator.__main__; print(*sys.modules)"
    command = [sys.executable, "-P", "-S", "-c", code]
    output = subprocess.run(command, env={"PYTHONPATH": str(packages)}, capture_output=True, text=True, check=True)
    return set(output.stdout.split())


def test_only_the_standard_library_and_own_modules(imported):
    foreign = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"monopod", "__main__"}
    assert foreign == set()
    packages = {name.split(".")[1] for name in imported if name.startswith("monopod.")}
    assert packages == {"coordinator", "schemas", "system"}


def test_no_slow_module(imported):
    assert not SLOW & imported
