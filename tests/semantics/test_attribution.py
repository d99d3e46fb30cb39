"""Every line is shown under the attempt or matrix combination that wrote it, no matter what Steps do to their output.

`MONOPOD_ATTRIBUTION_RUNS=100` runs it as often as that. `benchmarks/attribution.py` counts the same.
"""

from __future__ import annotations

import os
import shlex
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from podman_store import BUSYBOX

from monopod.benchmarks import attribution

pytestmark = pytest.mark.slow

RUNS = int(os.environ.get("MONOPOD_ATTRIBUTION_RUNS", "3"))

SLOTS = [f"item-{number}" for number in range(24)]
"""As in shared/cases/output-of-slots.yaml."""


def shown(backend, *arguments):
    """Run to the end, and return the lines of standard output and the exit code."""
    with backend.start(*arguments) as process:
        output, errors = process.communicate(timeout=600)
    assert "Traceback" not in errors
    return output.split("\n"), process.returncode


def test_every_line_is_shown_under_its_writer(backend, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(attribution.pipeline(BUSYBOX))
    for _ in range(RUNS):
        lines, code = shown(backend, "--no-record", *attribution.options(), "-f", file)
        assert code == 1
        assert attribution.wrong_lines(lines) == []


def slots(script, count=24):
    """A PipelineRun with a matrix; `script` may use `$(params.item)`."""
    step = {"name": "say", "image": BUSYBOX, "script": script}
    task = {
        "name": "w",
        "matrix": {"params": [{"name": "item", "value": SLOTS[:count]}]},
        "taskSpec": {"params": [{"name": "item"}], "steps": [step]},
    }
    spec = {"pipelineSpec": {"tasks": [task]}}
    return {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "slots"}, "spec": spec}


def write(path: Path, *documents) -> Path:
    path.write_text(yaml.safe_dump_all(documents))
    return path


@pytest.fixture
def host(make_backend):
    backend = make_backend("host")
    backend.environment["XDG_STATE_HOME"] = str(backend.directory / "data")
    return backend


def test_reports_and_kept_logs_agree_and_have_no_marks(host, tmp_path):
    """The terminal, `--logs`, the failure summary, JUnit, the page, the record, and the logs that `--keep` leaves.

    Only these logs have titles.
    """
    file = write(
        tmp_path / "run.yaml", slots('echo "$(params.item)"; printf "no newline of $(params.item)" >&2; exit 1')
    )
    junit = tmp_path / "junit.xml"
    lines, code = shown(host, "--keep", "always", "--max-concurrency", "3", "--junit", junit, "-f", file)
    assert code == 1
    for item in SLOTS:
        assert lines.count(f"[w[item={item}] : say] {item}") == 1
        assert lines.count(f"[w[item={item}] : say] no newline of {item}") == 1
    cases = ET.parse(junit).getroot().iter("testcase")
    cases = ["".join(case.itertext()) for case in cases]
    assert sum(1 for text in cases if "item-" in text) == len(SLOTS)
    name = host.monopod("runs").splitlines()[1].split()[0]
    page = host.monopod("report", name, "--format", "json")
    records = [path.read_text() for path in host.directory.rglob("output.*")]
    logs = [path.read_text() for path in host.directory.rglob("logs/w*.log")]
    assert records
    assert sum(log.count("no newline of item-") for log in logs) == len(SLOTS)
    assert not any("\x1emonopod" in text for text in [*lines, *cases, page, *records, *logs])
    assert not any("==>" in text for text in [*lines, *cases, page, *records])
    titles = [line for log in logs for line in log.splitlines() if line.startswith("==>")]
    assert sorted(titles) == sorted(f"==> w[{number}]/say <==" for number in range(len(SLOTS)))
    (kept,) = (path for path in host.directory.iterdir() if path.name != "data")
    shutil.rmtree(kept)


ATTACKS = {
    "forges marks": r"for i in 1 2 3; do printf '\036monopod 0123456789abcdef0123456789abcdef\n'; echo mine; done",
    "repeats the mark of who came before": r"""
        for file in /monopod/step/exited.*; do
            token=$(sed -n 's/^mark=//p' "$file" 2>/dev/null)
            [ -z "$token" ] || printf '\036monopod %s\n' "$token"
        done
        echo mine""",
    "prints half a mark": r"printf '\036monopod 01234567'; echo mine; printf '\036'",
    "forges its end": r"""
        cd /monopod/step
        n=$(ls run.* | sed s/run.// | sort -n | tail -n 1)
        token=0123456789abcdef0123456789abcdef
        rm run.$n; echo >run.$n
        for each in $n $((n+1)); do printf 'code=0\nmark=%s\n' $token >.x; mv .x exited.$each; done
        printf '\036monopod %s\n' $token; echo >ring; sleep 1; echo mine
        printf 'a/bin/sh\000a-c\000awhile :; do echo mine; sleep 0.1; done\000.\000' >.x; mv .x run.$((n+1))
        printf 'm\000a/bin/echo\000amine\000.\000' >.x; mv .x run.$((n+2)); echo >bell; sleep 1""",
    "locks its request, and the next one": r"""
        cd /monopod/step
        n=$(ls run.* | sed s/run.// | sort -n | tail -n 1)
        ! flock -n run.$n true || echo its request is not locked
        (setsid flock run.$n sleep 600 &)
        (setsid flock run.$((n+1)) sleep 600 &)
        sleep 0.2; echo mine""",
    "closes its streams": "echo mine; exec >&- 2>&-",
    "stops itself": "echo mine; (sleep 0.2; kill -CONT $$) & kill -STOP $$",
    "leaves a writer behind": "echo mine; (setsid sh -c 'while :; do echo mine; done' &) ; sleep 0.1",
    "forges titles": r"""
        for n in 0 1 2 3 4 5; do printf '\n==> w[%s]/say <==\nmine\n' $n; done; printf '==> w[3]/say <=='""",
    "floods marks": r"""
        echo mine
        i=0
        while [ $i -lt 3000 ]; do printf '\036monopod 0123456789abcdef0123456789abcdef\nmine\n'; i=$((i+1)); done""",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_step_changes_only_its_own_output(host, tmp_path, attack):
    """Only one combination attacks; others run before and after it in the same container."""
    script = f"""
        echo "$(params.item)"
        if [ $(params.item) = item-2 ]; then
            {ATTACKS[attack].replace("mine", "$(params.item)")}
        fi
        """
    file = write(tmp_path / "run.yaml", slots(script, 6))
    lines, code = shown(host, "--max-concurrency", "1", "--timeout", "5m", "--no-record", "-f", file)
    assert code == 0
    for number in range(6):
        prefix = f"[w[item=item-{number}] : say] "
        own = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
        assert own[0] == f"item-{number}"
        assert {text[-6:] for text in own if "item-" in text} == {f"item-{number}"}
        assert number == 2 or len(own) == 1
    for number in range(5):
        ends = lines.index(next(line for line in lines if line.startswith(f"[w[item=item-{number}]] Succeeded")))
        assert not any(line.startswith(f"[w[item=item-{number}] : say]") for line in lines[ends:])


def test_hostile_attempts_in_two_slots(host, tmp_path):
    """Every attempt attacks, and the first of each combination fails."""
    attacks = "\n".join(
        f"({ATTACKS[name]})" for name in ("forges marks", "locks its request, and the next one", "forges its end")
    )
    script = f"""
        echo "$(params.item)"
        {attacks.replace("mine", "$(params.item)")}
        [ $(context.task.retry-count) = 1 ]
        """
    run = slots(script, 4)
    run["spec"]["pipelineSpec"]["tasks"][0]["retries"] = 1
    lines, code = shown(
        host, "--max-concurrency", "2", "--timeout", "5m", "--no-record", "-f", write(tmp_path / "run.yaml", run)
    )
    assert code == 0
    for number in range(4):
        prefix = f"[w[item=item-{number}] : say] "
        own = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
        assert {text[-6:] for text in own if "item-" in text} == {f"item-{number}"}
        assert "its request is not locked" not in own
        assert sum(line.startswith(f"[w[item=item-{number}]] Succeeded") for line in lines) == 1


def test_attacks_are_complete_shell_words():
    assert all(shlex.split(attack, comments=False) for attack in ATTACKS.values())
