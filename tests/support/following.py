"""Follows the Pod of a run on the API server of the tests, in a thread of its own."""

from __future__ import annotations

import os
import threading

from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.follow.follower import Follower
from monopod.runner.kubernetes.pod import KubernetesPod, no_cancel_requests
from monopod.runner.run import Run


class Following:
    """A followed Pod; ``written`` is the text that was shown."""

    def __init__(self, api, cluster, compilation, start_timeout):
        self.api = api
        self.pod = KubernetesPod(cluster, compilation, start_timeout, keep=False)
        self.follower = Follower(compilation.plan)
        self.written = []
        display = PlainDisplay(self, self.follower, LineOptions(colours=False))
        self.reader, self.writer = os.pipe()
        self.pod.__enter__()
        self.followed = self.pod.start()
        self.run = Run(self.followed, self.follower, display, self.reader)
        self.thread = threading.Thread(target=self._follow)
        self.thread.start()

    def write(self, text):
        with self.api.changed:
            self.written.append(text)
            self.api.changed.notify_all()

    def flush(self):
        pass

    def wait_for(self, text):
        """Wait until this text was shown, or the run has ended."""
        self.api.wait_for(lambda: text in "".join(self.written) or not self.thread.is_alive())

    def _follow(self):
        with no_cancel_requests() as requests:
            for _ in self.run.follow(requests):
                pass

    def end(self):
        """Wait for the end and return the outcome and the lines that were shown."""
        self.thread.join(300)
        assert not self.thread.is_alive()
        self.pod.__exit__(None, None, None)
        os.close(self.reader)
        os.close(self.writer)
        return self.run.outcome(), "".join(self.written).splitlines()


def warnings(lines):
    """Return the warnings among the lines that were shown."""
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]
