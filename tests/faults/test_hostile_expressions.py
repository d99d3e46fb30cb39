"""Results made to harm the CEL evaluator that they are inserted into: only Tasks with such guards fail."""

import pytest
from host_run import pipeline

pytestmark = pytest.mark.slow

OUT = "/tekton/results/out"
ATTACKS = {
    "nested": (
        "list=[0,1,2,3,4,5,6,7,8,9]; text=true; "
        'for name in a b c d e f g h i j k l; do text="$list.all($name, $text)"; done; '
        """printf "'==''&&%s||'" "$text" """,
        "takes too long to evaluate: more than ",
    ),
    "doubled": (
        'text="\'ab\'"; i=0; while [ $i -lt 40 ]; do text="[$text].map(x,x+x)[0]"; i=$((i+1)); done; '
        """printf "'==%s||'" "$text" """,
        "needs too much memory",
    ),
    "sum": ("""printf "'==''&&1"; yes + 1 | head -n 250000 | tr -d '\\n'; printf "==1||'" """, "needs too much memory"),
    "quotes": ("yes \"'\" | tr -d '\\n' | head -c 1000000", "characters): "),
    "index": ("""printf "'==[''][5]||'" """, ": index out of bounds: 5"),
    "key": ("""printf "'=={'a':''}['b']||'" """, ": no such key: 'b'"),
}
"""What writes a Result, and what is said of a Task whose guard it is in."""


def test_hostile_expressions_fail_only_the_tasks_they_guard(run):
    result = {"taskSpec": {"results": [{"name": "out"}]}}
    tasks = {name: {"scripts": f"{{ {script}; }} > {OUT}", **result} for name, (script, _) in ATTACKS.items()}
    for name in ATTACKS:
        guard = {"cel": f"'$(tasks.{name}.results.out)' == 'x'"}
        tasks[f"after-{name}"] = {"scripts": "exit 0", "when": [guard], "onError": "continue"}
    tasks["before"] = {"scripts": f"printf x > {OUT}", **result}
    tasks["fine"] = {"scripts": ["exit 0"] * 5, "when": [{"cel": "'$(tasks.before.results.out)' == 'x'"}]}
    ended = run.run(pipeline(tasks, {"report": "echo fine was $(tasks.fine.status)"}))
    for name, (_, why) in ATTACKS.items():
        assert ended.task(name)[0] == "Succeeded"
        (line,) = [line for line in ended.shown.splitlines() if line.startswith(f"[after-{name}] ")]
        assert line.startswith(f"[after-{name}] Failed: CEL expression ")
        assert why in line
        assert len(line) < 500
    assert ended.task("fine")[0] == "Succeeded"
    assert "[report : s0] fine was Succeeded" in ended.shown
    assert "continues where it left off" not in ended.shown  # the coordinator never died
    assert ended.document["status"]["conditions"][0]["reason"] == "PipelineValidationFailed"
