"""The figures: what is measured, how, and the design's goal for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import generated
from coordinator_alone import start_coordinator
from measured_run import (
    MeasurementError,
    StepTimes,
    command_processor_seconds,
    command_seconds,
    step_times,
    step_times_and_memory,
    written,
)
from polling import hand_offs
from recorder_alone import recorder_seconds
from shown_output import Shown, run_with_output

_RUNS = 5
"""How often what takes less than a second is measured."""
_SHOWN: tuple[Shown, ...] = ("plain", "in folds", "live")
_BINARIES = Path(__file__).resolve().parent.parent / "entrypoint" / "bin"


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``reached`` is None without a goal."""

    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None


def hand_off() -> Iterator[Figure]:
    """From a Step's exit to the next Step's exec with all containers running, beside a poll loop like Tekton's.

    Also for Steps that end faster than this machine creates the next containers.
    """
    yield from _hand_off("100 Tasks in a chain", _gated_gaps(generated.gated_chain_of_tasks(100)))
    steps = _gated_gaps(generated.gated_chain_of_steps(100))
    yield from _hand_off("100 Steps of one Task", steps)
    early = statistics.median(gaps(step_times(generated.chain_of_tasks(100))))
    yield Figure("hand-off while containers are made, 100 Tasks, p50", _ms(early))
    ours = statistics.median(steps)
    for interval, count in ((1.0, 12), (0.01, 100)):
        polled = statistics.median(hand_offs(count, interval))
        factor = polled / ours
        goal, reached = (">= 250 x", factor >= 250) if interval == 1.0 else ("", None)
        yield Figure(f"hand-off, a poll loop of {interval:g} s, p50", f"{_ms(polled)}, {factor:.0f} x", goal, reached)


def gaps(steps: list[StepTimes]) -> list[float]:
    """Return the seconds from each Step's exit to the next one's exec."""
    return [later.start - earlier.end for earlier, later in pairwise(steps)]


def _gated_gaps(pipeline: str) -> list[float]:
    """Return the gaps in the chain behind the gate, of a few runs: the p99 of one run would be one of its gaps."""
    runs = (step_times_and_memory(pipeline, waiting=100)[0] for _ in range(_RUNS))
    return [gap for _, *chain in runs for gap in gaps(chain)]


def _hand_off(what: str, seconds: list[float]) -> Iterator[Figure]:
    p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100, method="inclusive")[98]
    for name, measured, goal in (("p50", p50, 0.7e-3), ("p99", p99, 1.3e-3)):
        yield Figure(f"hand-off, {what}, {name}", _ms(measured), f"<= {_ms(goal)}", measured <= goal)


def fan_out() -> Iterator[Figure]:
    """One Step fans out to 200, and the memory of those while they wait."""
    steps, waiting = step_times_and_memory(generated.fan_out(200), waiting=200)
    starts = [step.start for step in steps[1:]]
    spread = max(starts) - min(starts)
    yield Figure("fan-out to 200, first to last exec", _ms(spread), "<= 150 ms", spread <= 0.150)
    yield Figure("fan-out to 200, exit to last exec", _ms(max(starts) - steps[0].end))
    typical = int(statistics.median(waiting.entrypoints))
    yield Figure("resident, a waiting entrypoint", f"{typical} KiB", "<= 100 KiB", typical <= 100)
    megabytes = waiting.coordinator / 1024
    yield Figure("resident, the coordinator of 200 Steps", f"{megabytes:.1f} MiB", "<= 25 MiB", megabytes <= 25)


def coordinator_start() -> Iterator[Figure]:
    """From the start of the coordinator's process to its first request, in a Pod of 200 Steps."""
    pipeline = generated.chain_of_tasks(200)
    pairs = [[start_coordinator(pipeline, carried=carried) for carried in (False, True)] for _ in range(9)]
    seconds, carried = (statistics.median(start.seconds for start in starts) for starts in zip(*pairs, strict=True))
    yield Figure("coordinator, start to first RunStep", _ms(seconds), "<= 70 ms", seconds <= 0.070)
    more = carried - seconds
    yield Figure("..., how much later with the runtime that the Pod carries", _ms(more), "<= 60 ms", more <= 0.060)
    megabytes = statistics.median(start.resident for _, start in pairs) / 1024
    yield Figure("..., resident then", f"{megabytes:.1f} MiB", "<= 25 MiB", megabytes <= 25)


def binary_size() -> Iterator[Figure]:
    """The entrypoint's size on each architecture. Raises MeasurementError if there is none."""
    binaries = sorted(_BINARIES.glob("entrypoint-*"))
    if not binaries:
        raise MeasurementError("the entrypoint has not been built: pip install -e . builds it")
    for binary in binaries:
        kib = binary.stat().st_size / 1024
        yield Figure(f"size of {binary.name}", f"{kib:.1f} KiB", "<= 40 KiB", kib <= 40)


def compiling() -> Iterator[Figure]:
    """`monopod compile`, whole process, for Pipelines of growing size."""
    seconds = {}
    for tasks in (500, 1000, 2000):
        with written(generated.realistic(tasks)) as file:
            seconds[tasks] = min(command_seconds("compile", "-f", file, "-o", "/dev/null") for _ in range(3))
        goal, reached = ("<= 1 s", seconds[tasks] <= 1) if tasks == 1000 else ("", None)
        yield Figure(f"monopod compile, {tasks} Tasks", f"{seconds[tasks]:.2f} s", goal, reached)
    growth = seconds[2000] / seconds[1000]
    yield Figure("monopod compile, 2000 against 1000", f"{growth:.2f} x", "about 2 x", growth <= 2.5)


def checking() -> Iterator[Figure]:
    """`monopod check` and `monopod graph`, whole processes, beside `compile` of the same 1,000 Tasks."""
    for what, pipeline in (("", generated.realistic(1000)), (" in a chain", generated.chain_of_tasks(1000))):
        with written(pipeline) as file:
            compiled = min(command_seconds("compile", "-f", file, "-o", "/dev/null") for _ in range(3))
            for command in ("check", "graph"):
                seconds = min(command_seconds(command, "-f", file) for _ in range(3))
                factor = seconds / compiled
                measured = f"{seconds:.2f} s, {factor:.2f} x compile"
                yield Figure(f"monopod {command}, 1000 Tasks{what}", measured, "<= 2 x", factor <= 2)


def command_line() -> Iterator[Figure]:
    """What a person waits for: --help, and compiling and running something small."""
    seconds = statistics.median(command_seconds("--help") for _ in range(9))
    yield Figure("monopod --help", _ms(seconds), "<= 200 ms", seconds <= 0.200)
    with written(generated.chain_of_tasks(2)) as file:
        compiled = statistics.median(command_seconds("compile", "-f", file, "-o", "/dev/null") for _ in range(9))
    yield Figure("monopod compile, 2 Tasks", f"{compiled:.2f} s", "<= 0.3 s", compiled <= 0.3)
    with written(generated.chain_of_tasks(10)) as file:
        run = statistics.median(command_seconds("run", "--backend", "host", "-f", file) for _ in range(5))
    yield Figure("monopod run, 10 no-op Tasks", f"{run:.2f} s", "<= 0.5 s", run <= 0.5)


def recording() -> Iterator[Figure]:
    """The cost of recording a run: per line, for a run with much output, and for a run without output."""
    lines = 100_000
    microseconds = recorder_seconds(lines) / lines * 1e6
    yield Figure("recording a line of output", f"{microseconds:.2f} us", "<= 5 us", microseconds <= 5)
    for what, pipeline in (
        (f"{lines:,} lines", generated.many_lines(lines)),
        ("10 no-op Tasks", generated.chain_of_tasks(10)),
    ):
        with written(pipeline) as file:
            arguments = ("run", "--backend", "host", "-f", file)
            pairs = [
                (command_processor_seconds(*arguments), command_processor_seconds(*arguments, "--no-record"))
                for _ in range(5)
            ]
        recorded, plain = (min(pair) for pair in zip(*pairs, strict=True))
        yield Figure(f"processor time, {what}, recorded", f"{_ms(recorded)}, without {_ms(plain)}")


def output() -> Iterator[Figure]:
    """How showing much output slows down the Steps that write it, and whether all output arrives."""
    for what, per_minute, lines, names in (
        ("100,000 lines/min", 100_000, 20_000, ["build"]),
        ("1,000,000 lines/min", 1_000_000, 200_000, ["build"]),
        ("2 Tasks, 500,000 lines/min each", 500_000, 100_000, ["build", "test"]),
        ("1,000,000 lines at once", None, 1_000_000, ["build"]),
    ):
        pipeline = generated.writers(names, lines, per_minute)
        runs = [
            [run_with_output(pipeline, shown, names, lines) for shown in ("not at all", *_SHOWN)]
            for _ in range(_RUNS if per_minute is None else 1)
        ]
        unseen, *seen = ([each.seconds for each in way] for way in zip(*runs, strict=True))
        quiet = statistics.median(unseen)
        yield Figure(f"{what}, --quiet: the Step took", f"{quiet:.2f} s")
        lost = max(each.lost for run in runs for each in run)
        for shown, seconds in zip(_SHOWN, seen, strict=True):
            more = statistics.median(seconds) / quiet - 1
            measured = f"{statistics.median(seconds):.2f} s ({more:+.1%}), {lost} lines lost"
            most = 0.3 if per_minute is None else 0.05
            yield Figure(f"{what}, {shown}", measured, f"<= {most:+.0%}, none lost", more <= most and lost == 0)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def packing() -> Iterator[Figure]:
    """Whole runs with a container for each Step, and with Steps that share one."""
    pipelines = (
        ("1 Task of 10 Steps", generated.chain_of_steps(10)),
        ("200 Tasks in a chain", generated.chain_of_tasks(200)),
    )
    for what, pipeline in pipelines:
        with written(pipeline) as file:
            for option, how in (("--no-pack", "apart"), ("--pack", "packed")):
                seconds = command_seconds("run", "--backend", "host", "--no-record", option, "-f", file)
                yield Figure(f"run of {what}, {how}", f"{seconds:.2f} s")


FIGURES: dict[str, Callable[[], Iterator[Figure]]] = {
    "hand-off": hand_off,
    "fan-out": fan_out,
    "coordinator": coordinator_start,
    "binary": binary_size,
    "compile": compiling,
    "check": checking,
    "command-line": command_line,
    "recording": recording,
    "output": output,
    "packing": packing,
}
