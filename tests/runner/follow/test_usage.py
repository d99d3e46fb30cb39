"""CPU and memory of running containers."""

import pytest

from monopod.runner.follow.usage import ContainerUsage, Load, LoadMeter, format_memory


class MeasuredPod:
    def __init__(self, *usages):
        self.usages = list(usages)

    def usage(self, containers):
        return {name: used for name, used in self.usages.pop(0).items() if name in containers}


def test_cpu_is_measured_since_the_last_sample():
    pod = MeasuredPod(
        {"a": ContainerUsage(10.0, 100)},
        {"a": ContainerUsage(13.0, 200), "b": ContainerUsage(0.5, 50)},
        {"a": ContainerUsage(0.25, 10), "b": ContainerUsage(1.5, 50)},  # a is another container of that name
    )
    meter = LoadMeter(pod.usage)
    assert meter.look(["a"], 100.0)
    assert meter.load(["a", "b"]) == Load(None, 100)
    assert not meter.look(["a"], 100.5)
    assert meter.look(["a", "b"], 102.0)
    assert meter.load(["a"]) == Load(1.5, 200)
    assert meter.load(["a", "b"]) == Load(1.5, 250)
    assert meter.look(["a", "b"], 104.0)
    assert meter.load(["a", "b"]) == Load(0.5, 60)
    assert meter.load(["c"]) is None
    assert meter.load([]) is None


def test_other_pods_have_no_usage():
    meter = LoadMeter()
    assert not meter.look(["a"], 100.0)
    assert meter.load(["a"]) is None


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0Ki"),
        (812 << 10, "812Ki"),
        (34 << 20, "34Mi"),
        (1023 << 20, "1023Mi"),
        (1288490189, "1.2Gi"),
        (20 << 30, "20.0Gi"),
    ],
)
def test_format_memory(amount, words):
    assert format_memory(amount) == words
