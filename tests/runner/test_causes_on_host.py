"""The failure summary of the real `monopod run`, and the reports of its record."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = [sys.executable, "-c", "import sys; from monopod.runner.command_line import main; sys.exit(main())"]

MISSING = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: missing}
spec:
  pipelineSpec:
    tasks:
    - name: shell
      taskSpec:
        steps: [{name: s, image: "golang:1.22", script: "no-such-program version"}]
    - name: direct
      taskSpec:
        steps: [{name: s, image: "registry.example/tool", command: [no-such-program]}]
    - name: after
      runAfter: [shell, direct]
      taskSpec:
        steps: [{name: s, image: busybox, script: "true"}]
"""
SKIPPED = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: skipped}
spec:
  params: [{name: env, value: staging}]
  pipelineSpec:
    params: [{name: env}]
    tasks:
    - name: decide
      taskSpec:
        results: [{name: go}]
        steps: [{name: s, image: busybox, script: "printf no > $(results.go.path)"}]
    - name: deploy
      when: [{input: $(params.env), operator: in, values: [production]}]
      taskSpec:
        results: [{name: url}]
        steps: [{name: s, image: busybox, script: "true"}]
    - name: notify
      when: [{cel: "'$(tasks.decide.results.go)' == 'yes'"}]
      taskSpec:
        steps: [{name: s, image: busybox, script: "true"}]
    - name: verify
      params: [{name: url, value: $(tasks.deploy.results.url)}]
      taskSpec:
        params: [{name: url}]
        steps: [{name: s, image: busybox, script: "true"}]
    - name: close
      runAfter: [verify]
      taskSpec:
        steps: [{name: s, image: busybox, script: "true"}]
"""
WHY = {
    "deploy": 'When Expressions evaluated to false: when: $(params.env) in [production]: the value was "staging"',
    "notify": "When Expressions evaluated to false: when: cel: '$(tasks.decide.results.go)' == 'yes': "
    "it was false ('no' == 'yes')",
    "verify": "Results were missing: $(tasks.deploy.results.url) (Task deploy was skipped)",
    "close": "Parent Tasks were skipped: verify",
}
SIDECAR = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: crashed-sidecar}
spec:
  tasks:
    - name: test
      matrix: {params: [{name: go, value: ["1.21", "1.22"]}]}
      taskSpec:
        params: [{name: go}]
        sidecars:
        - name: db
          image: busybox
          script: |
            #!/bin/sh
            test $(params.go) = 1.21 && exec sleep 60
            echo "OSError: Address already in use" >&2
            exit 1
        steps: [{name: s, image: busybox, script: "echo tested $(params.go); test $(params.go) != 1.22"}]
"""


@pytest.fixture
def monopod(tmp_path):
    """Runs the command with its records below tmp_path; returns its exit code and output."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "CI": ""}

    def monopod(*arguments, text=None):
        if text is not None:
            (tmp_path / "run.yaml").write_text(text)
            arguments += ("-f", str(tmp_path / "run.yaml"))
        ran = subprocess.run(
            [*PROGRAM, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return ran.returncode, ran.stdout

    return monopod


def text_of(page):
    """Return the text of a page without its markup."""
    return re.sub(r"<[^>]*>", "", page).replace("&quot;", '"').replace("&#x27;", "'").replace("&lt;", "<")


def test_missing_program_names_the_unused_image(monopod):
    code, output = monopod("run", text=MISSING)
    assert code == 1
    summary = output[output.index("\n\n===") :]
    hint = "the host backend does not use image {}: install the command, or run with --backend podman (exit code 127)"
    for task, image in (("shell", "golang:1.22"), ("direct", "registry.example/tool")):
        (heading,) = re.findall(rf"^=== {task} : s failed: .*$", summary, re.MULTILINE)
        assert heading.endswith(hint.format(image))
    _, page = monopod("report")
    assert "the host backend does not use image golang:1.22" in text_of(page)
    _, junit = monopod("report", "--format", "junit")
    assert "the host backend does not use image golang:1.22" in junit


def test_failing_program_does_not_mention_images(monopod):
    _, output = monopod("run", text=MISSING.replace("no-such-program", "false"))
    assert "does not use image" not in output


def test_cause_is_shown_before_the_tasks_skipped_because_of_it(monopod):
    _, output = monopod("run", text=MISSING.replace("no-such-program version", "echo hello; kill -9 $$"))
    lines = output[output.index("\n\n===") + 2 :].splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith("=== shell")]
    assert lines[start].startswith("=== shell : s failed: ")
    assert lines[start].endswith("exit code 137: ended by SIGKILL")
    assert lines[start + 1 : start + 4] == ["  command: echo hello; kill -9 $$", "  last lines:", "    hello"]
    assert sum(line == "  skipped as a result: after" for line in lines) >= 1
    assert lines.index("") < [line.split()[:1] for line in lines].index(["TASK"])


def test_reason_for_skipping_is_shown_everywhere(monopod):
    code, output = monopod("run", text=SKIPPED)
    assert code == 0
    _, page = monopod("report")
    _, junit = monopod("report", "--format", "junit")
    for task, why in WHY.items():
        assert f"[{task}] Skipped: {why}" in output
        assert re.search(rf"^{task} +Skipped +- +- +{re.escape(why)}$", output, re.MULTILINE)
        assert f"Skipped: {why}" in text_of(page)
        assert f"Skipped: {why}" in text_of(junit.replace('message="', '">').replace('" />', "<"))
    code, document = monopod("run", "-o", "json", text=SKIPPED)
    assert '"reason": "When Expressions evaluated to false"' in document
    assert "the value was" not in document


def test_last_lines_of_a_crashed_sidecar_are_shown_everywhere(monopod):
    code, output = monopod("run", text=SIDECAR)
    assert code == 1
    lines = output.splitlines()
    ending = "Sidecar ended before the Steps did: exit code 1"
    said = lines.index("[test[go=1.22] : db] OSError: Address already in use")
    assert said < lines.index(f"[test[go=1.22] : db] {ending}")
    heading = lines.index(f"=== test[go=1.22] : db: {ending}")
    assert lines[heading + 1 : heading + 3] == ["  last lines:", "    OSError: Address already in use"]
    assert sum(ending in line for line in lines) == 2
    _, page = monopod("report")
    assert ending in text_of(page)
    _, junit = monopod("report", "--format", "junit")
    assert f'<property name="sidecar db" value="{ending}" />' in junit
    assert 'name="crashed-sidecar' in junit
    assert "test[go=1.22]" in junit


def test_combination_is_selected_by_its_values_or_its_index(monopod):
    for name in ("test[go=1.21]", "test[0]"):
        _, output = monopod("run", "--logs", name, text=SIDECAR)
        assert "[test[go=1.21] : s] tested 1.21" in output
        assert "[test[go=1.22] : s] tested 1.22" not in output
    code, _ = monopod("run", "--logs", "test[go=9]", text=SIDECAR)
    assert code == 2


NAMED = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: named}
spec:
  tasks:
    - name: test
      displayName: Tests with Go $(params.go)
      matrix: {params: [{name: go, value: ["1.21", "1.22"]}]}
      taskSpec:
        params: [{name: go}]
        steps: [{name: s, image: busybox, script: "true"}]
"""


def test_reports_have_the_display_name_of_each_combination(monopod):
    code, _ = monopod("run", text=NAMED)
    assert code == 0
    _, page = monopod("report")
    _, junit = monopod("report", "--format", "junit")
    for version in ("1.21", "1.22"):
        assert f"Tests with Go {version}" in text_of(page)
        assert f'<property name="displayName" value="Tests with Go {version}" />' in junit
