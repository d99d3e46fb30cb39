"""Problems that a comment or an annotation suppresses."""

from __future__ import annotations

import pytest

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: task{annotations}
spec:
  params: [{{name: p}}]
  steps:
  - name: a{above}
    image: alpine{beside}
    command: [echo]
  - name: b
    image: alpine:3{other}
    script: |{header}
      echo{within}
      if true; then
        echo "$(params.p)"
      fi
    computeResources: {{requests: {{cpu: 1, memory: 1Gi}}, limits: {{cpu: 1}}}}
"""
PLACES = dict.fromkeys(("annotations", "above", "beside", "other", "header", "within"), "")
ALL = {"unpinned-image:9", "unpinned-image:12", "script-injection:16", "no-requests:8"}


def text_with(**places: str) -> str:
    return TASK.format(**{**PLACES, **places})


def rules(found) -> set[str]:
    return {f"{each.rule}:{each.position.line}" for each in found}


@pytest.mark.parametrize(
    ("places", "ignored"),
    [
        ({}, set()),
        ({"beside": " # monopod: ignore=unpinned-image"}, {"unpinned-image:9"}),
        ({"above": " # monopod: ignore=unpinned-image"}, {"unpinned-image:9"}),
        ({"above": " # monopod: ignore=unpinned-image, no-requests"}, {"unpinned-image:9", "no-requests:8"}),
        ({"beside": " #monopod:ignore=unpinned-image because we build it"}, {"unpinned-image:9"}),
        ({"above": " # We build it.  monopod: ignore=unpinned-image"}, {"unpinned-image:9"}),
        ({"beside": " # monopod: ignore=no-timeout"}, set()),
        ({"header": " # monopod: ignore=script-injection"}, {"script-injection:16"}),
        ({"other": " # monopod: ignore=script-injection"}, {"script-injection:16"}),
        ({"within": " # monopod: ignore=script-injection"}, set()),
        ({"annotations": "\n  annotations: {monopod.dev/ignore: no-timeout}"}, set()),
    ],
)
def test_comments_apply_to_their_line_the_next_line_or_a_block(checked, places, ignored):
    shift = places.get("annotations", "").count("\n")
    found = checked(text_with(**places))
    assert rules(found.suppressed) == ignored
    expected = {f"{rule}:{int(line) + shift}" for rule, _, line in (each.partition(":") for each in ALL)}
    assert rules(found.problems) == expected - ignored


def test_comment_needs_a_blank_before_it(checked):
    found = checked(text_with(beside="#monopod:ignore=unpinned-image"))
    assert rules(found.suppressed) == set()
    expected = ALL - {"unpinned-image:9"} | {"invalid-value:9"}  # it is part of the image's name, which is refused
    assert rules(found.problems) == expected


def test_annotation_applies_to_its_object(checked):
    annotated = text_with(annotations="\n  annotations: {monopod.dev/ignore: 'unpinned-image, script-injection'}")
    other = text_with().replace("name: task", "name: other")
    found = checked(annotated + "---\n" + other)
    assert {each.rule for each in found.suppressed} == {"unpinned-image", "script-injection"}
    assert all(each.position.line < 20 for each in found.suppressed)
    assert len([each for each in found.problems if each.rule == "script-injection"]) == 1


def test_annotation_of_a_task_spec_applies_only_to_it(checked):
    task = """
    - name: {0}
      timeout: 1m
      taskSpec:
        metadata: {{annotations: {{{1}}}}}
        params: [{{name: unused, default: x}}]
        steps:
        - image: i
          script: |
            echo a
"""
    head = "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  tasks:"
    ignore = "monopod.dev/ignore: unused-param"
    found = checked(head + task.format("a", "") + task.format("b", ignore).lstrip("\n") + task.format("c", "")[1:])
    assert [each.position.line for each in found.suppressed] == [19]
    assert [each.position.line for each in found.problems if each.rule == "unused-param"] == [10, 28]


def test_errors_cannot_be_ignored(checked):
    text = text_with(beside=" # monopod: ignore=unknown-reference").replace("[echo]", "[$(params.q)]")
    found = checked(text.replace("image: alpine #", "image: $(params.q) #"))
    assert "unknown-reference" in {each.rule for each in found.problems}
    assert not found.suppressed


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (
            {"beside": " # monopod: ignore=unpinned"},
            "there is no rule 'unpinned' to ignore (did you mean 'unpinned-image'?)",
        ),
        ({"beside": " # monopod: ignore"}, "name the rules to ignore: # monopod: ignore=RULE,RULE"),
        ({"beside": " # monopod: ignore=*"}, "name the rules to ignore: # monopod: ignore=RULE,RULE"),
        (
            {"annotations": "\n  annotations: {monopod.dev/ignore: all}"},
            "metadata.annotations.monopod.dev/ignore: there is no rule 'all' to ignore",
        ),
    ],
)
def test_unknown_rule_is_reported(checked, places, message):
    found = [each for each in checked(text_with(**places)).problems if each.rule == "unknown-ignore"]
    assert [each.message for each in found] == [message]
