"""SIGINT at every point of a command, from its first line to the exit of the interpreter, never causes a traceback.

Points are counted in calls of Python functions, so the speed of the machine does not matter.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from host_run import HostRun, pipeline

pytestmark = pytest.mark.slow

PROGRAM = """
import os, signal, sys
left = [int(sys.argv.pop(1))]
file = sys.argv.pop(1)
if os.environ.get("IGNORED"):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
def count(frame, event, argument, kill=os.kill, process=os.getpid(), number=signal.SIGINT):
    if event == "call":
        left[0] -= 1
        if left[0] == 0:
            kill(process, number)
from monopod.runner.program import main
sys.argv[0] = "monopod"
before = left[0]
sys.setprofile(count)
try:
    code = main()
finally:
    with open(file, "w") as counted:
        counted.write(str(before - left[0]))
sys.exit(code)
"""
NEVER = 1 << 60
PLACES = 12
ENDING = 40
"""Calls after the last of a command, while the interpreter ends; there may be fewer."""
COMMANDS = (["--help"], ["check", "-f", "pipeline.yaml"], ["graph", "-f", "pipeline.yaml"])


class Program:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "pipeline.yaml").write_text(json.dumps(pipeline({"one": "exit 0", "two": "exit 0"})))

    def run(self, arguments, place=NEVER, **environment):
        command = [sys.executable, "-c", PROGRAM, str(place), str(self.directory / "counted"), *arguments]
        return subprocess.run(
            command, cwd=self.directory, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )

    def places(self, arguments):
        """Return how the command ends without an interrupt, and the points where it can be interrupted."""
        done = self.run(arguments)
        assert done.returncode == 0, done.stderr
        last = int((self.directory / "counted").read_text())
        places = {1, 2, 3, *(1 + last * number // PLACES for number in range(PLACES)), *range(last - 5, last + 1)}
        return done, [*sorted(places), *range(last + 1, last + ENDING, 6)]


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_interrupted_command_ends_by_the_signal_or_normally(program, arguments):
    whole, places = program.places(arguments)
    ends = set()
    for place in places:
        done = program.run(arguments, place)
        assert "Traceback" not in done.stderr, (place, done.stderr)
        assert done.returncode in (0, -signal.SIGINT), place
        assert done.returncode or done.stdout == whole.stdout, place
        ends.add(done.returncode)
    assert -signal.SIGINT in ends


def test_ignored_sigint_stays_ignored(program):
    whole, places = program.places(["check", "-f", "pipeline.yaml"])
    done = program.run(["check", "-f", "pipeline.yaml"], places[len(places) // 2], IGNORED="yes")
    assert (done.returncode, done.stdout, done.stderr) == (0, whole.stdout, whole.stderr)


def test_interrupted_run_is_cancelled_or_ends_normally(tmp_path):
    """In the first and last third of all points it starts and ends; in the middle it waits."""
    state = tmp_path / "state"
    counting = HostRun(state, before=_counting(NEVER, tmp_path))
    assert counting.run(pipeline({"one": "exit 0"})).code == 0
    last = int((tmp_path / "counted").read_text())
    for place in [1, *(last * number // 10 for number in range(1, 10)), *range(last - 4, last + 1)]:
        run = HostRun(state, before=_counting(place, tmp_path))
        try:
            run.start(pipeline({"one": "exit 0"}))
            output, shown = run.process.communicate(timeout=run.patience)
            assert "Traceback" not in shown, (place, shown)
            assert run.process.returncode in (0, 130, -signal.SIGINT), (place, shown)
            if output:
                status = json.loads(output)["status"]["conditions"][0]["reason"]
                assert (status == "Cancelled") == (run.process.returncode == 130)
        finally:
            run.close()
    assert HostRun(state).run(pipeline({"one": "exit 0"})).code == 0  # which removes the leftovers of a killed run
    assert HostRun(state).remains() == []


def _counting(place, directory):
    """Return code that counts calls, to be put before the code of `host_run`."""
    arguments = f"sys.argv[1:1] = ['{place}', '{directory}/counted']"
    return f"import sys\n{arguments}\n{PROGRAM}"


def test_interrupt_that_python_wraps_ends_the_program():
    """Python 3.11 raises a RuntimeError from an interrupt in `__set_name__`, while it creates a class."""
    wrapped = "import os, signal\nclass Name:\n def __set_name__(self, *_): os.kill(os.getpid(), signal.SIGINT)\n"
    command = f"from monopod.runner import program\n{wrapped}program._run(lambda: type('C', (), {{'name': Name()}}))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_interrupt_after_which_a_library_fails_ends_the_program():
    """The `finally` of argparse's parser of intermixed arguments fails if the usage was not formatted."""
    interrupted = "def usage(parser): os.kill(os.getpid(), signal.SIGINT)\nargparse.ArgumentParser.format_usage = usage"
    parser = "parser = argparse.ArgumentParser()\nparser.add_argument('name')\n"
    run = "program._run(lambda: parser.parse_intermixed_args(['name']))"
    command = f"import argparse, os, signal\nfrom monopod.runner import program\n{interrupted}\n{parser}{run}"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
