"""`monopod attach` to a recorded run."""

import os
import threading

from recorded import record_run

from monopod.runner.display import background_output
from monopod.runner.exit_codes import CANCELLED
from monopod.runner.follow.held_output import MOST_IN_MEMORY
from monopod.runner.known_runs import attaching
from monopod.runner.run_options import Options


def test_interrupt_does_not_wait_for_the_reader(sample, tmp_path, monkeypatch):
    def follow(*_):
        print("x" * MOST_IN_MEMORY)
        raise KeyboardInterrupt

    record = record_run(tmp_path, sample.plan(sample.task("build", "make")), [sample.run_started("ci-1")], ended=False)
    monkeypatch.setattr(background_output, "_DRAIN_SECONDS", 0)
    monkeypatch.setattr(attaching._Following, "follow", follow)
    reader, writer = os.pipe()
    with open(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert attaching.attach_to_record(record, Options("human", keep=False)) == CANCELLED  # nothing was read
        os.close(reader)
        for thread in threading.enumerate():
            if thread.name == "standard output":
                thread.join()
