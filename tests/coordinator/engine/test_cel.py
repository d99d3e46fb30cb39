"""CEL: an extension module that a process loads once, and expressions made to harm the evaluator."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import PATIENCE

from monopod.coordinator import cel_process
from monopod.coordinator.cel_process import CelProcesses
from monopod.schemas import cel
from monopod.schemas.variables import EvaluationError

EVALUATE = "from monopod.schemas.cel import evaluate; print(evaluate(\"'a' in ['a', 'b']\"))"
IMPORT_THE_PACKAGE = "import cel; print(cel.evaluate('1 + 1'))"

TEN = str(list(range(10)))


def in_a_process(expression, processes=None):
    """Evaluate as the coordinator does: wait for the answer or for the timeout."""
    evaluation = (processes or CelProcesses()).start(expression)
    poll = select.poll()
    poll.register(evaluation.descriptor, select.POLLIN)
    poll.poll(evaluation.patience * 1000)
    return evaluation.finish()


def nested(depth):
    """Return nested macros that take ten to the power of `depth` steps."""
    expression = "true"
    for number in range(depth):
        expression = f"{TEN}.all(v{number}, {expression})"
    return expression


def doubled(times):
    expression = "'ab'"
    for _ in range(times):
        expression = f"[{expression}].map(x, x + x)[0]"
    return f"{expression} == ''"


@pytest.mark.parametrize(
    ("statements", "printed"),
    [((EVALUATE, IMPORT_THE_PACKAGE), "True\n2\n"), ((IMPORT_THE_PACKAGE, EVALUATE), "2\nTrue\n")],
)
def test_package_can_be_imported_too(statements, printed):
    command = [sys.executable, "-c", "\n".join(statements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


def test_extension_is_found_in_the_libraries_of_the_image():
    package = Path(cel.__file__).parents[1]
    prefixes = f"import site, sys; site.PREFIXES[:] = [{sys.prefix!r}]"
    ours = "import types; package = sys.modules['monopod'] = types.ModuleType('monopod')"
    path = f"package.__path__ = [{str(package)!r}]"
    command = [sys.executable, "-I", "-S", "-c", "\n".join([prefixes, ours, path, EVALUATE])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("evaluate", [cel.evaluate, in_a_process])
@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        ("'a' in ['a', 'b']", True),
        ("'a' == 'b'", False),
        (f"'{'a' * 1_000_000}' == ''", False),
        ("[1][5] == 1", ": index out of bounds: 5"),
        ("{'a': 1}['b'] == 1", ": no such key: 'b'"),
        ("1 / 0 == 1", ": division by zero"),
        ("a ==", ": ERROR: <input>:1:5: Syntax error: "),
        ("'\ud800' == ''", ": 'utf-8' codec can't encode"),
        ("'" * 100_001, "… (100003 characters): "),  # a panic of Rust's
        ("[1, 2]", " gives [1, 2], which is not a truth value"),
        (f"['{'a' * 1000}']", "… (1004 characters), which is not a truth value"),
    ],
)
def test_evaluation(evaluate, expression, outcome):
    if isinstance(outcome, bool):
        assert evaluate(expression) is outcome
        return
    with pytest.raises(EvaluationError, match=r"^CEL expression ") as error:
        evaluate(expression)
    assert outcome in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        (nested(12), "takes too long to evaluate: more than 1.0 s"),
        (doubled(40), "needs too much memory"),
        ("1 in [" + ",".join(["1"] * 100_000) + "]", "needs too much memory"),
        ("a b " * 250_000, "needs too much memory"),
    ],
)
def test_expensive_expressions_are_aborted(expression, why, monkeypatch):
    monkeypatch.setattr(cel_process, "WAIT_SECONDS", PATIENCE)  # a busy machine may give it CPU time late
    with pytest.raises(EvaluationError, match=f"^CEL expression .* {why}$") as error:
        in_a_process(expression)
    assert len(str(error.value)) < 400


def test_endless_recursion_ends_only_the_child(monkeypatch):
    monkeypatch.setattr(cel_process, "MEMORY", 1 << 30)
    monkeypatch.setattr(cel_process, "LONGEST", 60)
    monkeypatch.setattr(cel_process, "SHARED", 60)
    why = r"cannot be evaluated: the evaluation was ended by signal 11 \(Segmentation fault\)$"
    with pytest.raises(EvaluationError, match=why):
        in_a_process("+".join(["1"] * 60_000) + " == 1")


def test_slow_expressions_share_their_time(monkeypatch):
    monkeypatch.setattr(cel_process, "SHARED", 1.0)
    monkeypatch.setattr(cel_process, "WAIT_SECONDS", PATIENCE)
    processes = CelProcesses()
    messages = []
    for number in range(3):
        with pytest.raises(EvaluationError) as error:
            in_a_process(f"{number} == 9 || {nested(12)}", processes)
        messages.append(str(error.value).rpartition("more than ")[2])
    assert (messages[0], messages[-1]) == ("1.0 s", "0.1 s")  # the kernel may account for a little less than it allows
    assert in_a_process("1 == 1", processes)


def test_evaluation_without_time_is_given_up(monkeypatch):
    monkeypatch.setattr(cel_process, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(cel, "evaluate", lambda expression: expression == "true" or signal.pause())
    with pytest.raises(EvaluationError, match=r"'false' takes too long to evaluate: more than 0\.1 s"):
        in_a_process("false")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left


def test_failed_fork_is_reported(monkeypatch):
    def fork():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(EvaluationError, match="'true' cannot be evaluated: Resource temporarily unavailable"):
        in_a_process("true")
    assert os.listdir("/proc/self/fd") == before


def test_child_has_no_files_and_signals_of_the_coordinator(tmp_path, monkeypatch):
    """The child reports its own state through its only output: the reason of a failed evaluation."""

    def report_state(expression):
        if expression == "true":
            return True
        files = [number for number in range(300) if Path(f"/proc/self/fd/{number}").exists()]
        unblocked = sorted(signal.valid_signals() - signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        free = [int(number) for number in unblocked if number not in (signal.SIGKILL, signal.SIGSTOP)]
        raise EvaluationError(f"{files} {free} {resource.getrlimit(resource.RLIMIT_CORE)[0]}")

    monkeypatch.setattr(cel, "evaluate", report_state)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.dup2(lock.fileno(), 200, inheritable=False)
        try:
            with pytest.raises(EvaluationError, match=rf"^\[0\] \[{int(signal.SIGPROF)}\] 0$"):
                in_a_process("false")
        finally:
            os.close(200)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


ATOMS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.booleans().map(lambda truth: str(truth).lower()),
    st.text(max_size=5).map(repr),
    st.sampled_from(
        ["null", "x", "1u", "duration('9h')", "timestamp('2000-01-01T00:00:00Z')", "'", ")", "]", "b'\\xff'"]
    ),
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "==", "<", "in", "&&", "||", ","]), inner).map(
            " ".join
        ),
        st.lists(inner, max_size=4).map(lambda given: f"[{', '.join(given)}]"),
        st.tuples(inner, inner).map(lambda given: f"{{{given[0]}: {given[1]}}}"),
        st.tuples(inner, inner).map(lambda given: f"{given[0]}[{given[1]}]"),
        st.tuples(inner, st.sampled_from(["map", "all", "exists", "filter", "exists_one"]), inner).map(
            lambda given: f"{given[0]}.{given[1]}(x, {given[2]})"
        ),
        st.tuples(inner, inner).map(lambda given: f"{given[0]}.matches({given[1]})"),
        st.tuples(st.sampled_from(["(", "!(", "-(", "size(", "int(", "double(", "has("]), inner)
        .map("".join)
        .map("{})".format),
        st.tuples(inner, inner, inner).map("({0[0]} ? {0[1]} : {0[2]})".format),
    ),
    max_leaves=30,
)


@given(EXPRESSIONS)
def test_random_expressions_have_a_result_or_a_reason(expression):
    try:
        outcome = in_a_process(expression)
    except EvaluationError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert outcome.startswith("CEL expression ")
        assert len(outcome) < 500
