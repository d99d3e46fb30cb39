"""Takes the pictures of this folder: `make screenshots`. A run's page needs Debian's chromium and chromium-driver.

The live view is drawn from a fixed run (`live_view`), the graph from examples/python-ci. The page comes from `make
demo`, in this clone as committed, and from a run that fails; their records go to a temporary directory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

import live_view  # noqa: E402
from browser import MISSING, chromium  # noqa: E402  # it is among the tests

MONOPOD = str(Path(sys.executable).with_name("monopod"))
EXAMPLE = "examples/python-ci/pipeline.yaml"
FAILING = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: shop}
spec:
  tasks:
    - name: build
      taskSpec:
        steps: [{name: compile, image: "gcc:14", script: "echo compiled 42 files"}]
    - name: test
      runAfter: [build]
      taskSpec:
        sidecars:
          - {name: database, image: "postgres:17", script: "echo ready to accept connections; sleep 60"}
        steps:
          - name: unit
            image: python:3.13
            script: |
              for number in $(seq 120); do echo "tests/test_cart.py::test_item_$number PASSED"; done
              printf '\\033[31mE   AssertionError: assert 3 == 4\\033[0m\\n'
              echo 'tests/test_cart.py:12: AssertionError'
              exit 1
    - name: deploy
      runAfter: [test]
      taskSpec:
        steps: [{name: push, image: "alpine:3.22", script: "echo never"}]
"""
"""A run whose page shows a failure, with a Sidecar and output that is longer than the window."""


def main() -> int:
    """Draw the live view and the graph, run examples/python-ci and a failing run, and take pictures of their pages."""
    live_view.PICTURE.write_text(live_view.svg())
    subprocess.run([MONOPOD, "graph", "-f", EXAMPLE, "-o", str(HERE / "graph.png")], cwd=REPOSITORY, check=True)
    if MISSING:
        print(f"{' and '.join(MISSING)} not installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="monopod-screenshots-") as folder:
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        options = ("-w", "source=emptyDir", "-w", f"repository={REPOSITORY}", "-p", "base-revision=none")
        run = ("run", "-f", EXAMPLE, *options)
        subprocess.run([MONOPOD, *run], cwd=REPOSITORY, env=environment, check=True)
        subprocess.run([MONOPOD, "report", "-o", f"{folder}/report.html"], env=environment, check=True)
        page = Path(folder, "report.html").as_uri()
        with chromium(width=1100, height=800) as driver:
            driver.get(page)
            driver.save_screenshot(str(HERE / "report.png"))
        with chromium(width=1100, height=800, dark=True) as driver:
            driver.get(page)
            driver.execute_script("document.getElementById('task-unit-tests').open = true")
            driver.execute_script("document.getElementById('timeline').scrollIntoView()")
            driver.save_screenshot(str(HERE / "report-dark.png"))
        with chromium(width=390, height=844) as driver:
            driver.get(page)
            driver.save_screenshot(str(HERE / "report-phone.png"))
        take_failure(Path(folder), environment)
    return 0


def take_failure(folder: Path, environment: dict[str, str]) -> None:
    """Take a picture of the output of a run that fails."""
    (folder / "shop.yaml").write_text(FAILING)
    subprocess.run([MONOPOD, "run", "-f", "shop.yaml", "--quiet"], cwd=folder, env=environment, check=False)
    subprocess.run([MONOPOD, "report", "-o", "failed.html"], cwd=folder, env=environment, check=True)
    with chromium(width=1100, height=800) as driver:
        driver.get((folder / "failed.html").as_uri())
        driver.execute_script("document.getElementById('log-test-unit').scrollIntoView({block: 'end'})")
        driver.save_screenshot(str(HERE / "report-failed.png"))


if __name__ == "__main__":
    sys.exit(main())
