"""Kubelet's decisions, on random Pods in simulated time, and in difficult cases."""

from __future__ import annotations

import random
import signal
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from typed import typed

from monopod.runner.host.lifecycle import Finish, Lifecycle, RunHook, Signal, Start, Termination, Warn
from monopod.runner.kubelet.specification import RestartRule


def end(code=0, reason="", at=0.0):
    return Termination(code, None, reason or ("Completed" if code == 0 else "Error"), "", 0.0, at)


CONTAINERS = st.lists(
    st.tuples(st.sampled_from(["init", "sidecar", "ordinary"]), st.booleans(), st.sampled_from([0, 0, 0, 1, 128])),
    min_size=1,
    max_size=8,
)


class Simulation:
    """Carries out commands in an order drawn by the test, and records what happens."""

    def __init__(self, containers, random, cancel):
        containers = [*containers, ("ordinary", False, 0)]  # a Pod has at least one
        ordered = [each for each in containers if each[0] != "ordinary"] + [
            each for each in containers if each[0] == "ordinary"
        ]
        self.plan = {f"c{number}": each for number, each in enumerate(ordered)}
        self.lifecycle = Lifecycle([(name, kind, hook) for name, (kind, hook, _) in self.plan.items()], grace=30)
        self.random = random
        self.now = 0.0
        self.alive = {}  # the state of each container with a process: starting, hook, running
        self.signalled = set()
        self.story = []
        self.cancel_after = cancel
        self.finished = 0
        self.cut_short = False
        self.starts = Counter()

    def run(self):
        self.obey(self.lifecycle.begin(self.now))
        for step in range(400):
            if self.finished:
                return
            if step == self.cancel_after:
                self.obey(self.lifecycle.terminate(5, self.now))
                continue
            self.step()
        self.cut_short = True
        self.obey(self.lifecycle.terminate(0, self.now))
        while not self.finished:
            self.step()

    def step(self):
        choices = sorted(self.alive)
        timer = self.lifecycle.next_timer()
        if timer is not None and (not choices or self.random.random() < 0.5):
            self.now = max(self.now, timer)
            self.obey(self.lifecycle.tick(self.now))
            return
        name = self.random.choice(choices)
        kind, hook, code = self.plan[name]
        doing = self.alive[name]
        killed = (name, signal.SIGKILL) in self.signalled
        if doing == "starting" and code == 128 and not killed:
            self.ended(name, end(128, "StartError"))
        elif doing == "starting":
            self.alive[name] = "hook" if hook and not self.lifecycle.is_stopping else "running"
            self.story.append(("started", name))
            self.obey(self.lifecycle.started(name, self.now, self.now))
        elif doing == "hook" and not killed:
            self.alive[name] = "running"
            self.obey(self.lifecycle.hook_ended(name, None, self.now))
        elif killed:
            self.ended(name, Termination(137, 9, "Error", "", 0.0, self.now))
        elif kind != "sidecar" or self.random.random() < 0.5 or (name, signal.SIGTERM) in self.signalled:
            self.ended(name, end(code))

    def ended(self, name, termination):
        del self.alive[name]
        self.signalled = {each for each in self.signalled if each[0] != name}
        self.story.append(("ended", name, termination.exit_code))
        self.obey(self.lifecycle.exited(name, termination, self.now))

    def obey(self, commands):
        for command in commands:
            match command:
                case Start(name):
                    assert name not in self.alive
                    self.starts[name] += 1
                    self.alive[name] = "starting"
                    self.story.append(("start", name, frozenset(self.alive), self.lifecycle.is_stopping))
                case Signal(name, number):
                    assert name in self.alive
                    assert (name, number) not in self.signalled
                    self.signalled.add((name, number))
                    self.story.append(("signal", name, number, frozenset(self.alive)))
                case RunHook(name):
                    assert self.plan[name][1]
                case Finish():
                    assert not self.alive
                    self.finished += 1


@settings(max_examples=500, deadline=None)
@given(CONTAINERS, st.integers(0, 2**32), st.one_of(st.none(), st.integers(0, 20)))
def test_random_pods_keep_the_rules_and_end(containers, seed, cancel):
    simulation = Simulation(containers, random.Random(seed), cancel)
    simulation.run()
    assert simulation.finished == 1
    assert_started_in_order(simulation)
    for index, each in enumerate(simulation.story):
        if each[0] == "start":
            assert_could_start(simulation, each, simulation.story[:index])
        elif each[0] == "signal" and each[2] == signal.SIGTERM:
            assert_could_be_stopped(simulation, each)
    assert simulation.lifecycle.phase() == expected_phase(simulation)
    codes = [code for kind, _, code in simulation.plan.values() if kind != "sidecar" or code == 128]
    if cancel is None and not simulation.cut_short and not any(codes):
        assert simulation.lifecycle.phase() == "Succeeded"


def assert_started_in_order(simulation):
    names = list(simulation.plan)
    first_starts = list(dict.fromkeys(each[1] for each in simulation.story if each[0] == "start"))
    assert first_starts == names[: len(first_starts)]
    for name, (kind, _, _) in simulation.plan.items():
        assert kind == "sidecar" or simulation.starts[name] <= 1


def assert_could_start(simulation, start, before):
    _, name, _, is_stopping = start
    assert not is_stopping
    names = list(simulation.plan)
    for earlier in names[: names.index(name)]:
        kind = simulation.plan[earlier][0]
        assert kind != "init" or ("ended", earlier, 0) in before
        assert kind != "sidecar" or ("started", earlier) in before


def assert_could_be_stopped(simulation, asked):
    """Sidecars are stopped when the other containers have ended, in reverse order."""
    _, name, _, alive = asked
    names = list(simulation.plan)
    if simulation.plan[name][0] == "sidecar":
        assert all(simulation.plan[other][0] == "sidecar" for other in alive)
        assert names.index(name) == max(names.index(other) for other in alive)


def expected_phase(simulation):
    ordinary = [name for name, each in simulation.plan.items() if each[0] == "ordinary"]
    all_well = all(("ended", name, 0) in simulation.story for name in ordinary)
    return "Succeeded" if all_well and not simulation.lifecycle.failed else "Failed"


def test_sidecar_restarts_back_off():
    lifecycle = Lifecycle([("s", "sidecar", False), ("m", "ordinary", False)], grace=30)
    lifecycle.begin(0)
    lifecycle.started("s", 0, 0)
    now, delays = 0.0, []
    for _ in range(8):
        commands = lifecycle.exited("s", end(1), now)
        timer = lifecycle.next_timer()
        if (Start, Start("s")) in typed(commands):
            delays.append(0.0)
        else:
            assert timer is not None
            delays.append(timer - now)
            assert lifecycle.tick(timer - 0.5) == []
            now = timer
            assert typed(lifecycle.tick(now)) == typed([Start("s")])
        lifecycle.started("s", now, now)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]
    assert (Start, Start("s")) in typed(lifecycle.exited("s", end(1), now + 600))  # it was stable in between
    assert lifecycle.records["s"].restart_count == 9


def test_pending_restart_is_dropped_when_the_pod_stops():
    lifecycle = Lifecycle([("s", "sidecar", False), ("m", "ordinary", False)], grace=30)
    lifecycle.begin(0)
    lifecycle.started("s", 0, 0)
    lifecycle.started("m", 0, 0)
    lifecycle.exited("s", end(1), 0)
    lifecycle.started("s", 0, 0)
    lifecycle.exited("s", end(1), 0)
    assert lifecycle.exited("m", end(0), 1) == [Finish()]
    assert lifecycle.next_timer() is None
    assert lifecycle.phase() == "Succeeded"


def test_grace_period_is_shared_and_can_be_shortened():
    lifecycle = Lifecycle([("s", "sidecar", False), ("m", "ordinary", False)], grace=30)
    lifecycle.begin(0)
    lifecycle.started("s", 0, 0)
    lifecycle.started("m", 0, 0)
    assert lifecycle.terminate(None, 100) == [Signal("m", signal.SIGTERM)]
    assert lifecycle.next_timer() == 130
    assert lifecycle.exited("m", end(143), 110) == [Signal("s", signal.SIGTERM)]
    assert lifecycle.next_timer() == 130
    assert lifecycle.terminate(5, 111) == []
    assert lifecycle.terminate(60, 112) == []
    assert lifecycle.next_timer() == 116
    assert lifecycle.tick(116) == [Signal("s", signal.SIGKILL)]
    assert lifecycle.next_timer() is None
    assert lifecycle.exited("s", end(137), 117) == [Finish()]


def test_container_being_created_is_stopped_once_it_runs():
    lifecycle = Lifecycle([("m", "ordinary", True)], grace=30)
    lifecycle.begin(0)
    assert lifecycle.terminate(10, 1) == []
    assert lifecycle.started("m", 2, 2) == [Signal("m", signal.SIGTERM)]


def test_failed_hook_kills_only_its_container():
    lifecycle = Lifecycle([("a", "ordinary", True), ("b", "ordinary", False)], grace=30)
    assert typed(lifecycle.begin(0)) == typed([Start("a")])
    assert typed(lifecycle.started("a", 0, 0)) == typed([RunHook("a")])
    warning, killed = lifecycle.hook_ended("a", "exit code 1", 0)
    assert isinstance(warning, Warn)
    assert killed == Signal("a", signal.SIGKILL)
    assert typed(lifecycle.exited("a", end(137), 0)) == typed([Start("b")])
    lifecycle.started("b", 0, 0)
    assert lifecycle.exited("b", end(0), 0) == [Finish()]
    assert lifecycle.phase() == "Failed"


def test_active_deadline_fails_the_pod():
    lifecycle = Lifecycle([("m", "ordinary", False)], grace=3, active_deadline=60)
    lifecycle.begin(10)
    lifecycle.started("m", 10, 10)
    assert lifecycle.next_timer() == 70
    assert lifecycle.tick(70) == [Signal("m", signal.SIGTERM)]
    assert lifecycle.next_timer() == 73
    assert lifecycle.exited("m", end(0), 71) == [Finish()]
    assert (lifecycle.phase(), lifecycle.reason) == ("Failed", "DeadlineExceeded")


def test_containers_start_in_parallel_if_allowed():
    lifecycle = Lifecycle([(f"c{i}", "ordinary", i == 3) for i in range(6)], grace=3, starts_at_a_time=2)
    assert typed(lifecycle.begin(0)) == typed([Start("c0"), Start("c1")])
    assert typed(lifecycle.started("c1", 0, 0)) == typed([Start("c2")])
    assert typed(lifecycle.started("c0", 0, 0)) == typed([Start("c3")])  # which has a hook
    assert lifecycle.started("c2", 0, 0) == []
    assert typed(lifecycle.started("c3", 0, 0)) == typed([RunHook("c3")])
    assert typed(lifecycle.hook_ended("c3", None, 0)) == typed([Start("c4"), Start("c5")])


def test_evicted_pod_is_killed_at_once_and_fails():
    lifecycle = Lifecycle([("s", "sidecar", False), ("m", "ordinary", False)], grace=30)
    lifecycle.begin(0)
    lifecycle.started("s", 0, 0)
    lifecycle.started("m", 0, 0)
    assert lifecycle.evict("too much", 1) == [Signal("s", signal.SIGKILL), Signal("m", signal.SIGKILL)]
    assert lifecycle.evict("again", 2) == []
    assert lifecycle.exited("s", end(137), 2) == []
    assert lifecycle.exited("m", end(0), 2) == [Finish()]
    assert (lifecycle.phase(), lifecycle.reason, lifecycle.message) == ("Failed", "Evicted", "too much")


KILLED = end(137, "OOMKilled")


def restarting(*rules):
    """A Pod of a container with these restart rules, and one without any; both run."""
    lifecycle = Lifecycle(
        [("again", "ordinary", False), ("once", "ordinary", False)],
        grace=30,
        starts_at_a_time=2,
        restart_rules={"again": rules},
    )
    assert lifecycle.begin(0) == [Start("again"), Start("once")]
    for name in ("again", "once"):
        lifecycle.started(name, 0, 0)
    return lifecycle


def test_a_container_restarts_by_its_rules():
    lifecycle = restarting(RestartRule((77, 137)))
    assert lifecycle.exited("again", KILLED, 1) == [Start("again")]
    lifecycle.started("again", 1, 1)
    assert lifecycle.records["again"].restart_count == 1
    assert lifecycle.exited("again", KILLED, 2) == []
    assert lifecycle.next_timer() == 12
    assert lifecycle.exited("once", KILLED, 3) == []
    assert lifecycle.phase() == "Running"
    assert lifecycle.tick(12) == [Start("again")]
    lifecycle.started("again", 12, 12)
    assert lifecycle.exited("again", end(0), 13) == [Finish()]
    assert lifecycle.phase() == "Failed"  # for the container without rules


def test_a_container_whose_code_no_rule_names_is_not_restarted():
    lifecycle = restarting(RestartRule((77, 137)))
    lifecycle.exited("once", end(0), 1)
    assert lifecycle.exited("again", end(1), 1) == [Finish()]


def test_a_rule_may_name_the_codes_for_which_nothing_is_restarted():
    lifecycle = restarting(RestartRule((0, 1), is_not=True))
    assert lifecycle.exited("again", end(2), 1) == [Start("again")]
    lifecycle.started("again", 1, 1)
    lifecycle.exited("once", end(0), 2)
    assert lifecycle.exited("again", end(1), 3) == [Finish()]


def test_a_pod_that_stops_restarts_nothing():
    lifecycle = restarting(RestartRule((137,)))
    lifecycle.exited("again", KILLED, 1)
    lifecycle.started("again", 1, 1)
    lifecycle.exited("again", KILLED, 2)  # it waits for its back-off
    assert lifecycle.terminate(5, 3) == [Signal("once", signal.SIGTERM)]
    assert lifecycle.exited("once", KILLED, 4) == [Finish()]
