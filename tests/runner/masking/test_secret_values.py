"""What is masked of the values of Secrets."""

import base64
import json

import pytest

from monopod.runner.masking.secret_values import masks_of


def secret(**values):
    return {"metadata": {"name": "s"}, "stringData": values}


def test_data_and_string_data_are_masked():
    encoded = {"metadata": {"name": "s"}, "data": {"a": base64.b64encode(b"first-one\n").decode(), "b": "?"}}
    masks = masks_of([encoded, secret(c="second-one")], ["a problem"])
    assert masks.mask("first-one second-one") == "*** ***"
    assert masks.warnings == ["a problem"]


def test_short_values_are_named_once():
    masks = masks_of([secret(pin="123", code="abc", empty="", fine="long enough")])
    assert masks.warnings == ["Secret 's', key 'pin', 'code': fewer than 4 characters are not masked in the output"]


@pytest.mark.parametrize(
    "content",
    [
        '{"auths": {"ghcr.io": {"username": "me", "password": "swordfish"}}}',
        json.dumps({"private_key": "-----BEGIN X-----\nswordfish\n-----END X-----\n"}, indent=1),
        "# settings\nexport API_TOKEN='swordfish'\nPORT=8080\n",
        "users:\n- name: me\n  user:\n    token: swordfish\n",
        "//registry.npmjs.org/:_authToken=swordfish\nx=1\n",
        "machine example.org\n  login me\n  password swordfish\n",
        "https://me:swordfish@example.org\nhttps://other@example.net\n",
    ],
)
def test_secrets_inside_files_are_masked(content):
    masks = masks_of([secret(file=content)])
    assert masks.mask("it is swordfish, me, 8080, ghcr.io") == "it is ***, me, 8080, ghcr.io"
