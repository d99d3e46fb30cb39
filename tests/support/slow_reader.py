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


def written(directory):
    """Write the run's file and the FIFO into a directory; return the file's path."""
    os.mkfifo(directory / "done")
    file = directory / "noisy.yaml"
    file.write_text(RUN.replace("SHARED", str(directory)))
    return file


def wait_until_steps_are_done(directory, process):
    """Wait until the last Step runs, while nothing has been read yet."""
    descriptor = os.open(directory / "done", os.O_RDONLY | os.O_NONBLOCK)
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
