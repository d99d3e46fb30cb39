"""The user and the privileges of a container."""

from __future__ import annotations

import os
import pwd

import pytest

from monopod.runner.kubelet.environment import UnresolvedError
from monopod.runner.kubelet.security import CAPABILITIES, DEFAULT_CAPABILITIES, capabilities, filters_calls, identity
from monopod.runner.kubelet.specification import Identity


def names(context):
    return {CAPABILITIES[number] for number in capabilities(context)}


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, DEFAULT_CAPABILITIES),
        ({"add": ["NET_ADMIN"]}, DEFAULT_CAPABILITIES | {"NET_ADMIN"}),
        ({"add": ["CAP_NET_ADMIN", "sys_time"]}, DEFAULT_CAPABILITIES | {"NET_ADMIN", "SYS_TIME"}),
        ({"drop": ["KILL"]}, DEFAULT_CAPABILITIES - {"KILL"}),
        ({"drop": ["ALL"]}, set()),
        ({"drop": ["ALL"], "add": ["CHOWN"]}, {"CHOWN"}),
        ({"add": ["ALL"]}, set(CAPABILITIES)),
        ({"add": ["ALL"], "drop": ["SYS_ADMIN"]}, set(CAPABILITIES) - {"SYS_ADMIN"}),
    ],
)
def test_capabilities(asked, kept):
    assert names({"capabilities": asked}) == kept


def test_privileged_has_all_capabilities_and_unknown_names_are_refused():
    assert names({"privileged": True}) == set(CAPABILITIES)
    with pytest.raises(UnresolvedError, match="unknown capability: FLY"):
        capabilities({"capabilities": {"add": ["FLY"]}})


def test_system_calls_are_filtered_unless_pointless():
    assert filters_calls({})
    assert filters_calls({"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}})
    assert not filters_calls({"privileged": True})
    assert not filters_calls({"capabilities": {"add": ["SYS_ADMIN"]}})
    assert not filters_calls({"capabilities": {"add": ["ALL"]}})


def test_capability_numbers_match_the_kernel():
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        assert int(file.read()) <= len(CAPABILITIES) - 1
    assert (CAPABILITIES[0], CAPABILITIES[21], CAPABILITIES[40]) == ("CHOWN", "SYS_ADMIN", "CHECKPOINT_RESTORE")


def test_unknown_user_has_group_0_and_groups_of_the_pod():
    context = {"runAsUser": 54321, "supplementalGroups": [7]}
    assert identity(context, 9) == Identity(54321, 0, (7, 9))
    assert identity({**context, "runAsGroup": 5}, None) == Identity(54321, 5, (7,))


def test_known_user_has_its_groups():
    user = pwd.getpwuid(0)
    who = identity({"runAsUser": 0}, 9)
    assert who.group == user.pw_gid
    assert set(who.supplementary_groups) == {9, *os.getgrouplist(user.pw_name, user.pw_gid)}
    assert identity({"supplementalGroupsPolicy": "Strict"}, 9).supplementary_groups == (9,)
