"""Cancelling a run: the list of active runs, requests and answers, and the output of `monopod cancel`."""

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading

import pytest

from monopod.runner import cancellation
from monopod.runner.cancellation import MODES, ActiveRun, CancelSocket, active_runs, harder
from monopod.runner.command_line import main
from monopod.runner.commands import cancel as command
from monopod.runner.kubelet.state_directory import root_path

GENTLEST, GENTLE, HARD = "StoppedRunFinally", "CancelledRunFinally", "Cancelled"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The directory of all state directories."""
    parent = tmp_path / ("deep" * 40)  # longer than the address of a socket can be
    parent.mkdir()
    monkeypatch.setenv("TMPDIR", str(parent))
    os.mkdir(root_path())
    return root_path()


class AnsweringRun:
    """A run that takes requests in a thread and answers with the hardest mode so far."""

    def __init__(self, directory, *, has_ended=False, waits_for=None):
        self.taken = []
        self._waits_for = waits_for
        self._has_ended = has_ended
        self._stop, self._stop_end = os.pipe()
        os.mkdir(directory)
        self._socket = CancelSocket(directory)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        held = None
        while self._stop not in select.select([self._socket, self._stop], [], [])[0]:
            for request in self._socket.requests():
                self.taken.append(request.mode)
                held = harder(held, request.mode)
                if self._waits_for is not None:
                    self._waits_for.wait()
                request.answer(None if self._has_ended else held)

    def close(self):
        os.write(self._stop_end, b"x")
        self._thread.join()
        self._socket.__exit__()
        os.close(self._stop)
        os.close(self._stop_end)


@pytest.fixture
def going(root):
    """Starts a run that answers."""
    with contextlib.ExitStack() as runs:

        def going(identity, **options):
            run = AnsweringRun(f"{root}/{identity}", **options)
            runs.callback(run.close)
            return run

        yield going


@pytest.fixture
def cancel(root, monkeypatch, capsys):
    """Calls `monopod cancel`; returns its exit code, output and errors."""

    def cancel(*arguments):
        monkeypatch.setattr(sys, "argv", ["monopod", "cancel", *arguments])
        return main(), *capsys.readouterr()

    return cancel


def test_harder_mode_wins_in_any_order():
    for mode in MODES:
        assert harder(None, mode) == mode
    for one, other, expected in ((GENTLEST, GENTLE, GENTLE), (GENTLEST, HARD, HARD), (GENTLE, HARD, HARD)):
        assert harder(one, other) == harder(other, one) == expected


def test_only_active_runs_are_listed(root, going):
    going("two-abcdefgh")
    going("one-12345678")
    os.mkdir(f"{root}/starting-abcdefgh")
    with open(f"{root}/file", "w"), CancelSocket(os.path.join(root, "starting-abcdefgh")):
        assert [run.name for run in active_runs(root)] == ["one", "starting", "two"]
    assert [run.name for run in active_runs(root)] == ["one", "two"]
    assert os.listdir(f"{root}/starting-abcdefgh") == []


def test_run_of_a_killed_process_is_not_active(root):
    os.mkdir(f"{root}/dead-abcdefgh")
    program = (
        "import os, sys; from monopod.runner.cancellation import CancelSocket; CancelSocket(sys.argv[1]); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, f"{root}/dead-abcdefgh"], check=False)
    assert sorted(os.listdir(f"{root}/dead-abcdefgh")) == ["cancel", "project"]
    assert active_runs(root) == ()
    assert ActiveRun("dead-abcdefgh", f"{root}/dead-abcdefgh").cancel("Cancelled") is None
    assert active_runs(f"{root}/missing") == ()


def test_run_that_ends_without_an_answer_has_ended(root):
    os.mkdir(f"{root}/run-abcdefgh")
    listening = CancelSocket(f"{root}/run-abcdefgh")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(active_runs(root)[0].cancel("Cancelled")))
    asking.start()
    select.select([listening], [], [])
    listening.__exit__()
    asking.join()
    assert answers == [None]


def test_malformed_requests_are_ignored(root, going):
    run = going("run-abcdefgh")
    reader, writer = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        directory = os.open(f"{root}/run-abcdefgh", os.O_PATH)
        asking.connect(f"/proc/self/fd/{directory}/cancel")
        os.close(directory)
        asking.send(b"Cancelled")  # without a pipe
        socket.send_fds(asking, [b"Unknown"], [writer])
    os.close(writer)
    with open(reader, "rb") as answer:
        assert answer.read() == b""
    assert active_runs(root)[0].cancel("StoppedRunFinally") == "StoppedRunFinally"
    assert run.taken == ["StoppedRunFinally"]


def test_the_only_active_run_needs_no_name(cancel, going):
    run = going("build-x7k2p-abcdefgh")
    assert cancel() == (0, "Cancelling run 'build-x7k2p': Cancelled\n", "")
    assert run.taken == ["Cancelled"]


def test_run_that_does_not_answer_soon_is_reported(cancel, going, monkeypatch):
    monkeypatch.setattr(cancellation, "_PATIENCE", 0)
    reported, report = threading.Event(), command._report_wait
    monkeypatch.setattr(command, "_report_wait", lambda name: (report(name), reported.set()))
    going("build-x7k2p-abcdefgh", waits_for=reported)
    text = "run 'build-x7k2p' does not answer yet; if its process is suspended (Ctrl-Z), resume it with fg"
    assert cancel() == (0, "Cancelling run 'build-x7k2p': Cancelled\n", f"monopod cancel: {text}\n")


def test_named_run_is_cancelled_in_the_requested_mode(cancel, going):
    runs = [going("one-abcdefgh"), going("two-abcdefgh")]
    for mode in (GENTLEST, GENTLE):
        assert cancel("two", "--grace", mode) == (0, f"Cancelling run 'two': {mode}\n", "")
    assert [run.taken for run in runs] == [[], [GENTLEST, GENTLE]]
    expected = f"Cancelling run 'two': {GENTLE} (requested earlier)\n"
    assert cancel("two", "--grace", GENTLEST) == (0, expected, "")


def test_runs_with_the_same_name_are_distinguished(cancel, going):
    runs = [going("ci-abcdefgh"), going("ci-12345678"), going("other-12345678")]
    message = "monopod cancel: several runs are named 'ci'; choose one: ci-12345678, ci-abcdefgh\n"
    assert cancel("ci") == (2, "", message)
    message = "monopod cancel: several runs are active; choose one: ci-12345678, ci-abcdefgh, other\n"
    assert cancel() == (2, "", message)
    assert cancel("ci-abcdefgh") == (0, "Cancelling run 'ci': Cancelled\n", "")
    assert [run.taken for run in runs] == [["Cancelled"], [], []]


def test_unknown_name_is_reported(cancel, going, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # without the records of other tests
    assert cancel() == (2, "", "monopod cancel: you have no active run\n")
    assert cancel("build") == (2, "", "monopod cancel: no run 'build'; you have no active run\n")
    going("build-abcdefgh")
    going("test-abcdefgh")
    message = "monopod cancel: no run 'biuld' (did you mean 'build'?); active runs: build, test\n"
    assert cancel("biuld") == (2, "", message)


def test_ended_run_is_reported(cancel, going):
    going("build-abcdefgh", has_ended=True)
    assert cancel("build") == (2, "", "monopod cancel: run 'build' has ended\n")
