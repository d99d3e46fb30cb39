"""A clock that is set by hours during a run: nothing times out too early or too late, and times are right.

Only monopod's own Python processes see the clock (libfaketime): the runner, the launcher and the coordinator.
"""

import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from host_run import HostRun, pipeline
from shared_directory import HERE, WAIT, Shared

pytestmark = pytest.mark.slow

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
PYTHON = """\
#!/bin/sh
export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={file}
export FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1
exec {python} "$@"
"""
LATER, MUCH_LATER, EARLIER = "+240h", "+246h", "+233h"


class Clock:
    """The clock, and a ``python`` that uses it. The coordinator's container can see both."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._file = directory / "time"
        self.python = directory / "python3"
        self.python.write_text(PYTHON.format(library=LIBRARY, file=self._file, python=sys.executable))
        self.python.chmod(0o755)

    def set(self, offset: str) -> None:
        """Set the clock this far from the real time."""
        other = self._file.with_suffix(".new")
        other.write_text(f"{offset}\n")
        other.rename(self._file)

    def now(self) -> datetime:
        command = [self.python, "-c", "import datetime; print(datetime.datetime.now(datetime.timezone.utc))"]
        return datetime.fromisoformat(subprocess.check_output(command, text=True).strip())


@pytest.fixture
def shared(tmp_path):
    shared = Shared(tmp_path / "shared")
    yield shared
    shared.close()


@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian: faketime)")
@pytest.mark.parametrize(("first", "second"), [(MUCH_LATER, EARLIER), (EARLIER, MUCH_LATER)])
def test_clock_set_by_hours(tmp_path, shared, first, second):
    """Some Tasks must not time out although the clock jumps ahead, and one Task must although it jumps back."""
    clock = Clock(tmp_path / "clock")
    clock.set(LATER)
    run = HostRun(tmp_path / "state", python=(str(clock.python),))
    run.before = f"import sys; sys.executable = {str(clock.python)!r}"
    tasks = {
        "early": shared.task(WAIT, timeout="1h"),
        "late": shared.task(HERE + "exec sleep 100000", timeout="2s", onError="continue", runAfter=["early"]),
        "again": shared.task(WAIT, timeout="1h", runAfter=["late"]),
    }
    started = clock.now()
    try:
        run.start(pipeline(tasks, {"report": "echo $(tasks.late.status)"}))
        shared.hear()
        clock.set(first)
        assert abs(clock.now() - started) > timedelta(hours=5)
        shared.go()
        shared.hear()
        clock.set(second)
        shared.hear()
        clock.set(LATER)
        shared.go()
        ended = run.end()
        assert ended.code == 0, ended.shown
        assert {name: ended.task(name)[0] for name in tasks} == {
            "early": "Succeeded",
            "late": "TaskRunTimeout",
            "again": "Succeeded",
        }
        assert ended.lines("report") == ["Failed"]
        assert run.remains() == []
    finally:
        run.close()
    runs = [ended.status, *(each["status"] for each in ended.status["taskRuns"].values())]
    for status in runs:
        begin, end = (datetime.fromisoformat(status[key]) for key in ("startTime", "completionTime"))
        assert started - timedelta(seconds=1) <= begin <= end < started + timedelta(hours=1)
    took = re.findall(r" in (\d\S*)", ended.shown)
    assert len(took) > len(tasks)
    assert not any("h" in each for each in took)
