"""When the lines of a container were written, though not all of its log comes out."""

from monopod.runner.follow.output_marks import mark
from monopod.runner.follow.pod_events import ContainerOutput
from monopod.runner.kubernetes.line_times import LineTimes


def test_steps_that_write_nothing_leave_the_times_of_others_alone():
    log = "==> t/s0 <==\nfirst\n"
    for number in range(1, 30):
        log += f"{mark(f'{number:032x}').decode()}\n==> t/s{number} <==\n"
    log += "last\n\nno newline" + mark("f" * 32).decode()
    lines = log.encode().split(b"\n")
    times = LineTimes()
    for at, line in enumerate(lines[:-1]):
        times.note(ContainerOutput("c", "stdout", line + b"\n", (at,)))
    shown = ["first", "last", "", "no newline"]
    found = [(at, text) for line in shown for at, text in times.dated("c", line)]
    end = len(lines)
    assert found == [(1, "first"), (end - 4, "last"), (end - 3, ""), (end - 2, "no newline")]
