"""A kubelet as late as a real one: it reports a container at its next relist, and has no log of it before."""

import pytest
from host_kubelet import HostKubelet

RELIST_SECONDS = 0.5  # a real kubelet: 1

pytestmark = pytest.mark.slow


@pytest.fixture
def kubelet(api):
    """Makes the API server's kubelet."""

    def kubelet(**options):
        kubelet = HostKubelet(RELIST_SECONDS, **options)
        api.kubelet, api.exec_result = kubelet, kubelet.execute

    return kubelet


@pytest.fixture
def file(make, write):
    """A run whose Steps are over long before kubelet has seen them."""
    chain = [make.task(f"t{number}", f"seq 100; echo end of {number}", [f"t{number - 1}"]) for number in range(1, 5)]
    run = make.run(make.task("t0", "seq 100; echo end of 0"), *chain, final=[make.task("report", "printf reported")])
    return write(run)


@pytest.mark.parametrize("reports_end", [True, False])
def test_run_with_late_container_reports_is_complete(monopod, kubelet, file, reports_end):
    kubelet(reports_end=reports_end)
    ran = monopod("run", "-f", file, "--context", "test")
    assert (ran.code, ran.err) == (0, "")
    numbers = [str(number) for number in range(1, 101)]
    for number in range(5):
        start = f"[t{number} : act] "
        lines = [line.removeprefix(start) for line in ran.out.splitlines() if line.startswith(start)]
        assert lines == [*numbers, f"end of {number}"]
    assert "[report : act] reported" in ran.out


def test_a_failure_is_reported_with_its_last_lines(monopod, kubelet, make, write):
    kubelet(reports_end=False)
    file = write(make.run(make.task("bad", "echo first; echo why >&2; exit 3"), make.task("next", "true", ["bad"])))
    ran = monopod("run", "-f", file, "--context", "test")
    assert ran.code == 1
    assert ran.out.index("[bad : act] why") < ran.out.index("[bad] Failed") < ran.out.index("=== bad : act failed")
    assert "    why\n" in ran.out


def test_logs_are_read_before_kubelet_reports_that_the_pod_is_over(monopod, kubelet, file):
    kubelet(reports_end=False)
    assert monopod("run", "-f", file, "--context", "test", "--detach").code == 0
    attached = monopod("attach", "build", "--context", "test")
    assert attached.code == 0
    assert attached.out.count("end of ") == 5
    assert monopod("logs", "build", "t4", "--context", "test").out.endswith("100\nend of 4\n")
