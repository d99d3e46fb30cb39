"""Texts of files without the values of Secrets: what is replaced, and what stays."""

import yaml

from monopod.runner.records.unrecorded_secrets import keys_without_value, without_secret_values

COPY = """'{"stringData": {"a": "hidden"}}'"""
TEXT = f"""\
# a comment
apiVersion: v1
kind: Secret
metadata:
  name: keys
  annotations: {{kubectl.kubernetes.io/last-applied-configuration: {COPY}, other: stays}}
data: {{encoded: aGlkZGVu}}
stringData:
  block: |
    hidden

    hidden too
  plain: hidden  # a comment
  number: "123"
---
apiVersion: v1
kind: List
items:
- {{apiVersion: v1, kind: Secret, stringData: {{inner: hidden}}}}
- {{apiVersion: v1, kind: ConfigMap, data: {{kept: visible}}}}
"""


def test_values_of_secrets_are_not_recorded():
    text = without_secret_values({"f": TEXT})["f"]
    assert "hidden" not in text
    assert "aGlkZGVu" not in text
    assert "123" not in text
    assert text.count("\n") == TEXT.count("\n")
    assert text.splitlines()[-1] == TEXT.splitlines()[-1]
    first, listed = yaml.safe_load_all(text)
    assert first["metadata"]["annotations"]["other"] == "stays"
    assert keys_without_value(first) == ["encoded", "block", "plain", "number"]
    assert keys_without_value(listed["items"][0]) == ["inner"]


def test_files_without_secrets_stay_as_they_are():
    texts = {"f": "kind: Task # not a Secret\nspec: {{ unquoted }}\n"}
    assert without_secret_values(texts) == texts


def test_text_that_cannot_be_edited_is_left_out():
    aliased = "kind: Secret\nstringData: {a: &x hidden}\n---\nkind: Other\n"
    assert without_secret_values({"f": aliased.replace("---\nkind: Other", "other: *x")}) == {}
    assert "hidden" not in without_secret_values({"f": aliased})["f"]
    assert without_secret_values({"f": "kind: Secret\nstringData: {{ x }\n"}) == {}
    assert without_secret_values({"f": '{"kind": "Secret", "data": {"a": "aGlk"}}'}) == {
        "f": '{"kind": "Secret", "data": {"a": "Kioq"}}'
    }
