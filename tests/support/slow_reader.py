"""A slow reader of a run's output, which reads nothing until the Steps have written all of it."""

import os
import select

LINES = 300_000
PATIENCE = 300.0
"""Seconds after which waiting fails."""

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: noisy}
spec:
  pipelineSpec:
    tasks:
    - name: many
      taskSpec: {steps: [{name: write, image: localhost/monopod-test/busybox:1, script: seq 1 300000}]}
    - name: last
      runAfter: [many]
      taskSpec:
        volumes: [{name: shared, hostPath: {path: SHARED}}]
        steps:
        - name: report
          image: localhost/monopod-test/busybox:1
          volumeMounts: [{name: shared, mountPath: /shared}]
          script: echo done > /shared/done
"""
"""It writes much more than a pipe holds, and then a line to the FIFO ``done``."""


STUBBORN = """\
script: |
            trap 'echo stopping > /shared/stopping' TERM
            echo done > /shared/done
            while :; do sleep 0.1; done
"""
"""What the last Task runs instead, so that it has to be killed. It writes to the FIFO ``stopping`` when it is asked to
stop."""


def written(directory, *, is_stubborn=False):
    """Write the run's file and the FIFOs into a directory; return the file's path."""
    for name in ("done", "stopping"):
        os.mkfifo(directory / name)
    file = directory / "noisy.yaml"
    text = RUN.replace("script: echo done > /shared/done\n", STUBBORN) if is_stubborn else RUN
    file.write_text(text.replace("SHARED", str(directory)))
    return file


def wait_until_steps_are_done(directory, process, fifo="done"):
    """Wait until the last Step has come to this point, while nothing has been read yet."""
    descriptor = os.open(directory / fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert select.select([descriptor], [], [], PATIENCE)[0], "the Steps wait for the reader"
        assert process.poll() is None
    finally:
        os.close(descriptor)


def read_numbers(process):
    """Read everything; return the numbers in their order, and the other lines."""
    lines = process.stdout.read().splitlines()
    prefix = "[many : write] "
    numbers = [int(line.removeprefix(prefix)) for line in lines if line.startswith(prefix)]
    return numbers, [line for line in lines if not line.startswith(prefix)]
