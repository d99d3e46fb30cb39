"""Takes the pictures of this folder: `make screenshots`. A run's page needs Debian's chromium and chromium-driver.

The live view is drawn from a fixed run (`live_view`). The page comes from `make demo`, in this clone as committed; its
record goes to a temporary directory.
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


def main() -> int:
    """Draw the live view, run examples/python-ci, and take pictures of its page."""
    live_view.PICTURE.write_text(live_view.svg())
    if MISSING:
        print(f"{' and '.join(MISSING)} not installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="monopod-screenshots-") as folder:
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        options = ("-w", "source=emptyDir", "-w", f"repository={REPOSITORY}", "-p", "base-revision=none")
        run = ("run", "-f", "examples/python-ci/pipeline.yaml", *options)
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
