"""Private views in the Plan and in the Pod: the Steps, their mounts, and what is wrong with a request for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monopod.compiler.compilation import Compilation
from monopod.compiler.diagnostics import Problems

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: r}
spec:
  workspaces: [{name: files, VOLUME, subPath: below}, {name: more, emptyDir: {}}]
  pipelineSpec:
    workspaces: [{name: files}, {name: more}, {name: none, optional: true}]
    tasks:
    - name: build
      MATRIX
      workspaces: [{name: source, workspace: files}, {name: other, workspace: more}, {name: none}]
      taskSpec:
        metadata: {annotations: {monopod.dev/views: "ANNOTATION", monopod.dev/digest: "DIGEST"}}
        params: [{name: arch, default: x}, {name: os.name, default: y}]
        workspaces: [{name: source, readOnly: READONLY}, {name: other}, {name: none, optional: true}]
        steps: [{name: one, image: alpine, script: "SCRIPT"}]
        sidecars: [{name: watch, image: alpine, script: "true"}]
"""


def filled(**words: str) -> str:
    defaults = {
        "VOLUME": "emptyDir: {}", "MATRIX": "", "ANNOTATION": "source=copy", "DIGEST": "other", "READONLY": "false",
        "SCRIPT": "$(workspaces.source.path)",
    }  # fmt: skip
    text = RUN
    for name, default in defaults.items():
        text = text.replace(name, words.get(name.lower(), default))
    return text


@pytest.fixture
def run(compiled: Callable[..., Compilation]) -> Callable[..., Compilation]:
    def run(options: dict[str, Any] | None = None, **words: str) -> Compilation:
        return compiled(filled(**words), **(options or {}))

    return run


def mounts(compilation: Compilation) -> dict[str, dict[str, str]]:
    """Return the volume at each path of each container, with its subPath."""
    return {
        container["name"]: {
            mount["mountPath"]: mount["name"] + (f"/{mount['subPath']}" if "subPath" in mount else "")
            for mount in container.get("volumeMounts", ())
        }
        for container in compilation.pod["spec"]["containers"]
    }


def steps(compilation: Compilation) -> list[str]:
    return [step.name for step in compilation.plan.pipeline.tasks[0].steps]


def test_only_monopods_own_steps_mount_the_workspace(run):
    compilation = run()
    assert steps(compilation) == ["view-source", "one", "digest-other", "merge-source"]
    at = mounts(compilation)
    assert at["build-one"]["/workspace/source"] == at["build-sidecar-watch"]["/workspace/source"] == "build-view-source"
    for name in ("build-view-source", "build-merge-source"):
        own = {
            path: volume for path, volume in at[name].items() if path.startswith(("/monopod/view", "/monopod/origin"))
        }
        assert own == {
            "/monopod/origin": "workspace-files",
            "/monopod/view": "build-view-source",
            "/monopod/views": "views-workspace-files",
        }
    assert [
        name for name, paths in at.items() if any(each.startswith("workspace-files") for each in paths.values())
    ] == [
        "build-view-source",
        "build-merge-source",
    ]


def test_arguments_name_the_task_and_the_directory_of_the_volume(run):
    first, *_, last = run().plan.pipeline.tasks[0].steps
    assert first.command[-1] == "monopod.coordinator.workspaces.view"
    assert first.args == ("copy", "source", "below", "build")
    assert last.args == ("merge", "source", "below", "build")


def test_each_combination_has_a_view_and_names_its_params(run):
    compilation = run(matrix="matrix: {params: [{name: arch, value: [a, b]}, {name: os.name, value: [c]}]}")
    assert compilation.plan.pipeline.tasks[0].steps[0].args[4:] == (
        "arch=$(params.arch)",
        'os.name=$(params["os.name"])',
    )
    at = mounts(compilation)
    assert [at[f"build-{index}-one"]["/workspace/source"] for index in (0, 1)] == [
        "build-0-view-source",
        "build-1-view-source",
    ]


@pytest.mark.parametrize(
    ("annotation", "read_only", "expected"),
    [
        ("source=copy:merge", "false", ["view-source", "one", "merge-source"]),
        ("source=copy:directory", "false", ["view-source", "one", "keep-source"]),
        ("source=copy:discard", "false", ["view-source", "one"]),
        ("source=copy", "true", ["view-source", "one"]),
        ("none=copy", "false", ["one"]),
        ("source=copy, other=copy", "false", ["view-other", "view-source", "one", "merge-source", "merge-other"]),
    ],
)
def test_policy_decides_what_follows_the_last_step(run, annotation, read_only, expected):
    assert steps(run(annotation=annotation, readonly=read_only, digest="none")) == expected


@pytest.mark.parametrize("text", ["", "source,"])
def test_digest_of_no_workspace_is_an_error(run, text):
    with pytest.raises(Problems, match=r"the name of a Workspace is missing \(such as 'source'\)"):
        run(digest=text)


def test_digest_is_that_of_the_view(run):
    compilation = run(digest="source")
    assert steps(compilation) == ["view-source", "one", "digest-source", "merge-source"]
    assert mounts(compilation)["build-digest-source"]["/monopod/workspace"] == "build-view-source"


def test_option_takes_precedence_and_works_without_the_annotation(run):
    options = {"views": (("build", "source", "discard"), ("build", "other", "merge"))}
    assert steps(run(options, digest="none")) == ["view-other", "view-source", "one", "merge-other"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"annotation": "source"}, "expected WORKSPACE=copy or WORKSPACE=copy:POLICY, got 'source'"),
        ({"annotation": "source=link"}, "expected WORKSPACE=copy or WORKSPACE=copy:POLICY, got 'source=link'"),
        ({"annotation": ""}, "expected WORKSPACE=copy or WORKSPACE=copy:POLICY, got ''"),
        (
            {"annotation": "source=copy:discrad"},
            "expected one of the policies merge, discard, directory, got 'discrad' (did you mean 'discard'?)",
        ),
        ({"annotation": "source=copy,source=copy"}, "the Workspace 'source' is listed twice"),
        (
            {"annotation": "sorce=copy"},
            "the Task 'build' has no Workspace 'sorce' to have a view of (did you mean 'source'?)",
        ),
        (
            {"volume": "secret: {secretName: s}"},
            "the Workspace 'source' is a secret, which nobody can write; it needs no view",
        ),
        (
            {"script": "$(workspaces.source.volume)"},
            "the Task 'build' uses $(workspaces.source.volume), which is the Workspace and not its view; mount nothing "
            "by this name",
        ),
    ],
)
def test_impossible_views_are_errors_at_the_annotation(problems, words, message):
    (line,) = problems(filled(**words))
    assert (
        line == f"p.yaml:13:53: spec.pipelineSpec.tasks[0].taskSpec.metadata.annotations.monopod.dev/views: {message}"
    )


def test_options_for_what_does_not_exist_are_errors(problems):
    views = (("biuld", "source", "merge"), ("build", "x", "merge"))
    assert problems(filled(), views=views) == [
        "--view: the Task 'build' has no Workspace 'x' to have a view of",
        "--view: there is no Task 'biuld' to have a view of 'source' (did you mean 'build'?)",
    ]


def test_it_passes_the_profile_restricted(run):
    run({"pod_security": "restricted"})


def test_pods_are_equal_each_time(run):
    assert run().pod == run().pod


def test_task_documents_have_the_annotation_too(compiled):
    text = """\
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: t, annotations: {monopod.dev/views: w=copy}}
        spec:
          workspaces: [{name: w}]
          steps: [{name: one, image: alpine, script: "true"}]
        """
    compilation = compiled(text, workspaces=(("w", "emptyDir"),))
    assert steps(compilation) == ["view-w", "one", "merge-w"]
    assert "monopod.dev/views" not in compilation.pod["metadata"]["annotations"]


def test_run_may_ask_for_the_views_of_a_task(compiled):
    of_run = "[{pipelineTaskName: build, metadata: {annotations: {monopod.dev/views: other=copy}}}]"
    text = filled(digest="none").replace("  pipelineSpec:", f"  taskRunSpecs: {of_run}\n  pipelineSpec:", 1)
    compilation = compiled(text)
    assert steps(compilation) == ["view-other", "one", "merge-other"]
    assert "monopod.dev/views" not in compilation.pod["metadata"]["annotations"]
