"""Secrets, the real command on the real host backend: nothing that a run shows or stores has their values."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MONOPOD = Path(sys.executable).with_name("monopod")
VALUES = ("correct-horse-battery", "one-time-passw0rd")
PIPELINE = """\
apiVersion: v1
kind: Secret
metadata: {name: registry}
stringData: {password: correct-horse-battery, pin: "123"}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: leaky}
spec:
  results: [{name: token, value: $(tasks.login.results.token)}]
  tasks:
  - name: login
    taskSpec:
      results: [{name: token}]
      steps:
      - name: print
        image: alpine
        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: registry, key: password}}}]
        script: |
          printf %s "a $PASSWORD" | tee $(results.token.path)
          echo; printf %s "user:$PASSWORD" | base64
          echo "::add-mask::$(printf 'one-time-%s' passw0rd)"
  - name: fan
    matrix: {params: [{name: token, value: ["$(tasks.login.results.token)"]}]}
    taskSpec:
      params: [{name: token}]
      steps: [{name: use, image: alpine, script: echo x}]
  - name: fail
    runAfter: [login]
    taskSpec:
      steps:
      - {name: last, image: alpine, script: "printf 'one-time-%s\\n' passw0rd >&2; exit 3"}
"""


USING = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: using}
spec:
  workspaces: [{name: keys}]
  tasks:
  - name: use
    workspaces: [{name: keys}]
    taskSpec:
      workspaces: [{name: keys}]
      volumes: [{name: v, secret: {secretName: db}}]
      steps:
      - name: all
        image: alpine
        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
        envFrom: [{secretRef: {name: app}}]
        volumeMounts: [{name: v, mountPath: /v}]
        script: |
          echo "$PASSWORD" "$TOKEN" "$(cat /v/password)" "$(cat $(workspaces.keys.path)/password)"
          test "$PASSWORD$TOKEN" = "first-secretsecond-secret"
"""


def monopod(*words, directory, **variables):
    environment = {**os.environ, "XDG_STATE_HOME": str(directory / "state"), **variables}
    return subprocess.run(
        [MONOPOD, *words], check=False, cwd=directory, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The directory of a run that has leaked its Secrets everywhere, and all texts that came of it."""
    directory = tmp_path_factory.mktemp("leaky")
    (directory / "pipeline.yaml").write_text(PIPELINE)
    files = ("--junit", "junit.xml", "--trace", "trace.json")
    document = monopod("run", "-f", "pipeline.yaml", "-o", "json", *files, directory=directory)
    assert document.returncode == 1
    (name,) = (path.name for path in (directory / "state/monopod/runs").iterdir())
    texts = {"document": document.stdout, "lines": document.stderr}
    for command in (("report", name, "-o", "run.html"), ("explain", name)):
        done = monopod(*command, directory=directory)
        assert done.returncode == 0, done.stderr
        texts[command[0]] = done.stdout
    return directory, texts


def test_nothing_shown_or_stored_has_a_secret(ran):
    directory, texts = ran
    encoded = base64.b64encode(b"user:correct-horse-battery").decode()[8:-4]
    for path in directory.rglob("*"):
        if path.is_file() and path.name != "pipeline.yaml":
            texts[str(path.relative_to(directory))] = path.read_bytes().decode(errors="replace")
    assert {"junit.xml", "trace.json", "run.html"} <= set(texts)
    leaks = {name: value for name, text in texts.items() for value in (*VALUES, encoded) if value in text}
    assert leaks == {}


def test_masked_texts_are_shown_with_masks(ran):
    _, texts = ran
    for name in ("document", "lines"):
        assert "a ***" in texts[name]
    assert "::add-mask::***" in texts["lines"]
    assert "    ***" in texts["lines"].partition("=== fail : last failed")[2]


def test_value_that_is_too_short_is_reported(ran):
    assert "Secret 'registry', key 'pin': fewer than 4 characters are not masked" in ran[1]["lines"]


def test_task_with_a_masked_result_is_not_reused(ran):
    directory, _ = ran
    again = monopod("rerun", "--failed", directory=directory)
    assert "[login : print]" in again.stdout
    assert "[fan[" in again.stdout


def test_record_without_the_values_of_secrets_is_not_enough(ran):
    directory, _ = ran
    path = directory / "pipeline.yaml"
    path.rename(directory / "moved")
    try:
        again = monopod("rerun", directory=directory)
    finally:
        (directory / "moved").rename(path)
    assert again.returncode == 2
    assert again.stderr.startswith(
        "pipeline.yaml:1:1: the values of Secret 'registry' (password, pin) are not recorded, and the file"
    )


def test_steps_use_given_secrets_in_all_ways(tmp_path):
    (tmp_path / "p.yaml").write_text(USING)
    words = ("p.yaml", "-w", "keys=secret:db")
    missing = monopod("run", *words, directory=tmp_path)
    assert missing.returncode == 2
    assert (
        "there is no Secret 'app' in the files, which the Task 'use' needs; give it with --secret app=@FILE, or with -f"
        in missing.stderr
    )
    (tmp_path / "app.env").write_text("TOKEN=second-secret\n")
    options = ("--secret", "db/password=env:PASSWORD", "--secret", "app=@app.env")
    ran = monopod("run", *words, *options, directory=tmp_path, PASSWORD="first-secret")
    assert ran.returncode == 0, ran.stderr
    assert "[use : all] *** *** *** ***" in ran.stdout.splitlines()
    again = monopod("rerun", directory=tmp_path)
    assert again.stderr == "--secret db/password=env:PASSWORD: the environment variable PASSWORD is not set\n"
    assert monopod("rerun", directory=tmp_path, PASSWORD="first-secret").returncode == 0
    (tmp_path / ".secrets").write_text("db/password=first-secret\nTOKEN='second-secret'\n")
    ran = monopod("run", *words, directory=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Secrets from .secrets: db, app" in ran.stderr
    assert not [
        path for path in (tmp_path / "state").rglob("*") if path.is_file() and b"-secret\n" in path.read_bytes()
    ]


def test_value_on_the_command_line_is_refused(tmp_path):
    ran = monopod("run", "--secret", "db/password=hunter2", directory=tmp_path)
    assert ran.returncode == 2
    assert "a value on the command line is refused" in ran.stderr
    assert "hunter2" not in ran.stderr


MASKING = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: masking}
spec:
  taskSpec:
    steps:
    - name: print
      image: alpine
      script: |
        long=$(seq -f 'part-%06g-of-a-secret' 1 10000 | tr -d '\\n')
        echo "::add-mask::$long"
        printf '::add-mask::%s\\rdone\\n' overwritten-value
        echo "again $long overwritten-value"
"""


def test_a_long_value_and_one_that_a_carriage_return_overwrites_are_masked(tmp_path):
    (tmp_path / "masking.yaml").write_text(MASKING)
    done = monopod("run", "-f", "masking.yaml", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[masking : print]")]
    assert lines[:2] == ["[masking : print] ::add-mask::***", "[masking : print] done"]
    assert "of-a-secret" not in done.stdout
    assert "overwritten" not in done.stdout
    for path in (tmp_path / "state").rglob("output.*"):
        assert b"of-a-secret" not in path.read_bytes()
