"""What a run gave back: what its Pod requested less, times how long."""

from monopod.runner.reports.given_back import GivenBack, describe_total, given_back, to_json
from monopod.schemas.run_events import CapacityGivenBack

GIB = 2**30


def test_each_change_counts_until_the_end_of_the_run():
    given = given_back([CapacityGivenBack(10, 2.5, 4 * GIB), CapacityGivenBack(40, 0.5, 0)], 60)
    assert given == GivenBack(2.5 * 50 + 0.5 * 20, 200, 2)
    assert describe_total(given) == "Gave back 135.0 core-seconds and 200.0 GiB-seconds of its requests, in 2 changes"
    assert to_json(given) == {"coreSeconds": 135.0, "gibibyteSeconds": 200.0, "changes": 2}


def test_change_that_the_node_refused_does_not_count():
    changes = [CapacityGivenBack(10, 2, GIB), CapacityGivenBack(20, 1, 0), CapacityGivenBack(21, -1, 0)]
    given = given_back(changes, 60)
    assert given == GivenBack(2 * 50, 50, 1)
    assert describe_total(given).endswith("in 1 change")
    assert given_back(changes[1:], 60) is None


def test_nothing_is_said_of_a_run_that_gave_nothing_back():
    assert given_back([], 60) is None


def test_change_that_is_known_late_gives_nothing_back():
    assert given_back([CapacityGivenBack(61, 2, GIB)], 60) == GivenBack(0, 0, 1)
