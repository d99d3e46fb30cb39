"""Common features of all resolvers: the cache, unknown params, and documents for the compiler."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest

from monopod.compiler.remote.cache import Cache

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: main}
spec:
"""
RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {generateName: run-}
spec:
"""


def git(repository, path, revision="main"):
    """A reference by git, as one line of YAML."""
    values = {"url": repository.url, "revision": revision, "pathInRepo": path}
    params = ", ".join(f"{{name: {name}, value: {json.dumps(value)}}}" for name, value in values.items())
    return f"{{resolver: git, params: [{params}]}}"


def recorded(compilation):
    return json.loads(compilation.pod["metadata"]["annotations"]["monopod.dev/resolved"])


# The cache


def test_cache_stores_contents(tmp_path):
    cache = Cache(str(tmp_path / "c"))
    cache.put(b"content", "a", "b")
    assert cache.get("a", "b") == b"content"
    assert cache.get("ab") is None
    cache.put(b"other", "a", "b")
    assert cache.get("a", "b") == b"other"
    (file,) = (path for path in (tmp_path / "c").rglob("*") if path.is_file())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700
    assert cache.get("a", "b", max_age=60) == b"other"
    os.utime(file, (0, 0))
    assert cache.get("a", "b", max_age=60) is None
    assert cache.get("a", "b") == b"other"
    file.write_bytes(file.read_bytes()[:-1])
    assert cache.get("a", "b") is None, "an entry that is damaged is none"


def test_unusable_cache_is_ignored(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(str(tmp_path / "file" / "c"))
    cache.put(b"content", "a")
    assert cache.get("a") is None
    assert Cache.of_user({"XDG_CACHE_HOME": "relative"}).directory == os.path.expanduser("~/.cache/monopod/remote")


def test_recent_entries_are_used_if_requested(ask, repository, tmp_path):
    asked = {"url": repository.url, "pathInRepo": "task.yaml", "cache": "always"}
    first = ask("git", asked)
    repository.commit(task__yaml="changed")
    assert ask("git", asked) == first
    for path in (tmp_path / "cache").rglob("*"):
        os.utime(path, (0, 0))
    assert ask("git", asked).content == b"changed"


def test_cache_never_requests_each_time(ask, refusal, repository, tmp_path):
    asked = {"url": repository.url, "pathInRepo": "task.yaml", "revision": repository.first, "cache": "never"}
    ask("git", asked)
    repository.directory.rename(tmp_path / "gone")
    refusal("git", asked)
    assert refusal("git", {**asked, "cache": "nvr"})[1] == "cache"


# Resolvers and their params


def test_unknown_resolver_is_reported(problems):
    (line,) = problems(PIPELINE + "  tasks:\n  - {name: a, taskRef: {resolver: gti}}\n")
    assert line == (
        "p.yaml:6:35: spec.tasks[0].taskRef.resolver: there is no resolver 'gti' (did you mean 'git'?); available: "
        "git, http, hub, bundles, cluster"
    )


def test_params_have_positions(problems, compiled, repository):
    reference = git(repository, "task.yaml").replace("params: [", "params: [{name: revison, value: x}, ")
    compilation = compiled(PIPELINE + f"  tasks:\n  - {{name: a, taskRef: {reference}}}\n")
    (warning,) = compilation.warnings
    assert str(warning) == (
        "p.yaml:6:35: warning: spec.tasks[0].taskRef.resolver: git has no param 'revison', so it has no effect "
        "(did you mean 'revision'?)"
    )
    reference = git(repository, "none.yaml")
    (line,) = problems(PIPELINE + f"  tasks:\n  - name: a\n    taskRef: {reference}\n")
    column = len("    taskRef: ") + reference.index('"none') + 1
    assert line.startswith(f"p.yaml:7:{column}: spec.tasks[0].taskRef.params[2].value: git file://")
    reference = "{resolver: git, params: [{name: url, value: [a]}]}"
    (line,) = problems(PIPELINE + f"  tasks:\n  - name: a\n    taskRef: {reference}\n")
    assert line.endswith("spec.tasks[0].taskRef.params[0].value: the param 'url' of a resolver must be a string")
    (line,) = problems(PIPELINE + "  tasks:\n  - name: a\n    taskRef: {resolver: git, name: 'git://a/b'}\n")
    assert "monopod's resolvers take params, not a name" in line


def test_params_of_the_pipeline_in_a_reference(compiled, problems, repository):
    text = (
        PIPELINE
        + f"""\
  params:
  - {{name: branch, default: main}}
  - {{name: files, type: object, properties: {{task: {{}}}}, default: {{task: task}}}}
  tasks:
  - {{name: a, taskRef: {git(repository, "$(params.files.task).yaml", "$(params.branch)")}}}
"""
    )
    assert recorded(compiled(text))[0]["digest"] == {"sha1": repository.first}
    repository.git("tag", "old")
    repository.commit(task__yaml="")
    assert recorded(compiled(text, params=(("branch", "old"),)))[0]["digest"] == {"sha1": repository.first}
    (line,) = problems(text.replace("params.branch", "params.brunch"))
    assert "$(params.brunch): there is no param 'brunch' (did you mean 'branch'?)" in line


def test_values_known_only_at_run_time_are_reported(problems, repository):
    for reference in ("$(tasks.x.results.r)", "$(context.pipelineRun.uid)"):
        text = PIPELINE + f"  tasks:\n  - {{name: a, taskRef: {git(repository, 'task.yaml', reference)}}}\n"
        (line,) = problems(text)
        assert f"{reference} is known only while running" in line


def test_params_of_the_run_in_its_pipeline_reference(compiled, repository, task):
    repository.commit(pipeline__yaml=PIPELINE + "  tasks: [{name: a, taskRef: {name: hello}}]\n")
    run = (
        RUN
        + f"""\
  params: [{{name: file, value: none}}]
  pipelineRef: {git(repository, "$(params.file).yaml", "$(params.branch)")}
---
"""
    )
    chosen = (("file", "pipeline"), ("branch", "main"))
    pipeline = (repository.directory / "pipeline.yaml").read_text()
    text = pipeline.replace("spec:\n", "spec:\n  params: [{name: file}, {name: branch}]\n")
    repository.commit(pipeline__yaml=text)
    compilation = compiled(run + task, params=chosen)
    assert [(each["kind"], each["name"]) for each in recorded(compilation)] == [("Pipeline", "main")]


def test_params_of_a_task_in_its_stepaction_references(compiled, repository, problems):
    action = """\
apiVersion: tekton.dev/v1beta1
kind: StepAction
metadata: {name: say}
spec:
  image: alpine
  results: [{name: said}]
  script: echo $(workspaces.source.path) > $(step.results.said.path)
"""
    repository.commit(actions___say__yaml=action)
    reference = git(repository, "actions/$(params.action).yaml")
    text = (
        PIPELINE
        + f"""\
  workspaces: [{{name: source}}]
  tasks:
  - name: a
    params: [{{name: action, value: say}}]
    taskSpec:
      params: [{{name: action}}]
      steps: [{{name: s, ref: {reference}}}]
"""
    )
    compilation = compiled(text)
    assert [(each["kind"], each["name"]) for each in recorded(compilation)] == [("StepAction", "say")]
    (made,) = compilation.plan.pipeline.tasks
    assert dict(made.variables)["workspaces.source.path"] == "/workspace/source"
    container = compilation.pod["spec"]["containers"][0]
    assert container["image"] == "alpine"
    assert "/workspace/source" in [mount["mountPath"] for mount in container["volumeMounts"]]
    (line,) = problems(text.replace("value: say", "value: none"))
    assert "there is no such file" in line


# Documents


def test_sources_are_recorded_in_the_pod_and_in_the_run(compiled, repository, web, page, task):
    web.pages["/t.yaml"] = page(task.encode())
    http = f"{{resolver: http, params: [{{name: url, value: '{web.url}/t.yaml'}}]}}"
    text = (
        PIPELINE
        + f"""\
  tasks:
  - {{name: a, taskRef: {git(repository, "task.yaml")}}}
  - {{name: b, taskRef: {git(repository, "task.yaml")}}}
  - {{name: c, taskRef: {http}}}
"""
    )
    compilation = compiled(text)
    first, second = recorded(compilation)
    assert first == {
        "kind": "Task",
        "name": "hello",
        "uri": f"git+{repository.url}",
        "digest": {"sha1": repository.first},
        "entryPoint": "task.yaml",
    }
    assert (second["uri"], list(second["digest"])) == (f"{web.url}/t.yaml", ["sha256"])
    annotations = compilation.plan.document["metadata"]["annotations"]
    assert json.loads(annotations["monopod.dev/resolved"]) == [first, second]
    assert len(web.asked) == 1


def test_nothing_is_recorded_without_remote_references(compiled, task):
    compilation = compiled(task)
    assert "monopod.dev/resolved" not in compilation.pod["metadata"]["annotations"]
    assert "annotations" not in compilation.plan.document["metadata"]


def test_v1beta1_is_accepted(compiled, repository, task):
    repository.commit(task__yaml=task.replace("tekton.dev/v1", "tekton.dev/v1beta1"))
    text = PIPELINE + f"  tasks:\n  - {{name: a, taskRef: {git(repository, 'task.yaml')}}}\n"
    assert compiled(text).plan.pipeline.tasks[0].steps[0].script == "echo hello"


def test_problems_of_a_document_have_positions(problems, repository, task):
    head = repository.commit(task__yaml=task.replace("script: echo hello", "scrpt: echo hello"))
    text = PIPELINE + f"  tasks:\n  - {{name: a, taskRef: {git(repository, 'task.yaml')}}}\n"
    (line,) = problems(text)
    assert line.startswith(f"git {repository.url} @ {head[:12]} task.yaml:8:5: spec.steps[0].scrpt: ")
    assert "did you mean 'script'?" in line
    repository.commit(task__yaml=task.replace("echo hello", "echo $(params.x)"))
    (line,) = problems(text)
    assert "task.yaml:8:13: spec.steps[0].script: $(params.x): there is no param 'x'" in line


def test_document_of_another_kind_is_reported(problems, compiled, repository, task):
    text = PIPELINE + f"  tasks:\n  - {{name: a, taskRef: {git(repository, 'task.yaml')}}}\n"
    repository.commit(task__yaml=PIPELINE + "  tasks: [{name: a, taskRef: {name: b}}]\n")
    (line,) = problems(text)
    assert "spec.tasks[0].taskRef.resolver: expected a Task, but git file://" in line
    assert line.endswith("task.yaml is a Pipeline")
    repository.commit(task__yaml="")
    (line,) = problems(text)
    assert "task.yaml: the file is empty" in line
    repository.commit(task__yaml=task + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    (warning,) = compiled(text).warnings
    assert "of the 2 documents of git file://" in warning.message


def test_remote_pipeline_may_use_remote_and_local_documents(compiled, repository, make_repository, task):
    other = make_repository("other")
    commit = other.commit(task__yaml=task.replace("hello}", "far}"))
    repository.commit(
        pipeline__yaml=PIPELINE
        + f"""\
  tasks:
  - {{name: a, taskRef: {git(other, "task.yaml")}}}
  - {{name: b, taskRef: {{name: hello}}}}
"""
    )
    compilation = compiled(RUN + f"  pipelineRef: {git(repository, 'pipeline.yaml')}\n---\n{task}")
    assert [each["name"] for each in recorded(compilation)] == ["main", "far"]
    assert recorded(compilation)[1]["digest"] == {"sha1": commit}
    assert [each.task_name for each in compilation.plan.pipeline.tasks] == ["far", "hello"]
    origins = [compilation.plan.sources[each.source].get("refSource") for each in compilation.plan.pipeline.tasks]
    assert origins[0]["digest"] == {"sha1": commit}
    assert (origins[0]["entryPoint"], origins[1]) == ("task.yaml", None)


def test_remote_pipeline_that_contains_itself_is_reported(problems, repository):
    head = repository.commit(
        pipeline__yaml=PIPELINE + f"  tasks: [{{name: a, pipelineRef: {git(repository, 'pipeline.yaml')}}}]\n"
    )
    lines = problems(RUN + f"  pipelineRef: {git(repository, 'pipeline.yaml')}\n")
    origin = f"git {repository.url} @ {head[:12]} pipeline.yaml"
    assert lines == [
        f"{origin}:5:45: spec.tasks[0].pipelineRef.resolver: the Pipeline contains itself: main ({origin}) → "
        f"main ({origin})"
    ]


def test_remote_pipelines_of_the_same_name_are_distinct(compiled, repository, make_repository, task):
    other = make_repository("other")
    other.commit(pipeline__yaml=PIPELINE + "  tasks: [{name: a, taskRef: {name: hello}}]\n")
    repository.commit(pipeline__yaml=PIPELINE + f"  tasks: [{{name: a, pipelineRef: {git(other, 'pipeline.yaml')}}}]\n")
    compilation = compiled(RUN + f"  pipelineRef: {git(repository, 'pipeline.yaml')}\n---\n{task}")
    assert compilation.plan.pipeline.tasks[0].pipeline.tasks[0].task_name == "hello"


def test_endlessly_nested_remote_pipelines_are_reported(problems, web, page):
    def next_pipeline(number):
        url = f"{web.url}/{number + 1}"
        inner = f"{{resolver: http, params: [{{name: url, value: '{url}'}}]}}"
        return page((PIPELINE + f"  tasks: [{{name: a, pipelineRef: {inner}}}]\n").encode())

    for number in range(30):
        web.pages[f"/{number}"] = next_pipeline(number)
    (line,) = problems(RUN + f"  pipelineRef: {{resolver: http, params: [{{name: url, value: '{web.url}/0'}}]}}\n")
    assert f"remote Pipelines are nested deeper than 20 levels, at {web.url}/20" in line


def test_failed_request_is_not_repeated(problems, web):
    http = f"{{resolver: http, params: [{{name: url, value: '{web.url}/none'}}]}}"
    tasks = "".join(f"  - {{name: t{number}, taskRef: {http}}}\n" for number in range(3))
    lines = problems(PIPELINE + "  tasks:\n" + tasks)
    assert len(lines) == 3
    assert len(web.asked) == 1


@pytest.mark.slow
def test_task_from_git_runs(repository, task, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE + f"  tasks:\n  - {{name: a, taskRef: {git(repository, 'task.yaml')}}}\n")
    command = [os.path.join(os.path.dirname(sys.executable), "monopod"), "run", "-f", str(file), "--backend", "host"]
    ran = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    run = json.loads(ran.stdout)
    assert run["status"]["conditions"][0]["reason"] == "Succeeded"
    assert repository.first in run["metadata"]["annotations"]["monopod.dev/resolved"]
