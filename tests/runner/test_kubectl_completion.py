"""`kubectl_complete-monopod`, which kubectl calls for `kubectl monopod … TAB`."""

import subprocess
import sys
from pathlib import Path

import pytest

from monopod.runner.command_line import COMMANDS
from monopod.runner.completion.kubectl import FILES, NO_FILES
from monopod.runner.completion.shells import words_of_command


def complete(*words):
    """Call the program as kubectl does; return what it offers, and the directive."""
    program = Path(sys.executable).with_name("kubectl_complete-monopod")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    *lines, directive = done.stdout.splitlines()
    return [line.partition("\t")[0] for line in lines], int(directive.removeprefix(":"))


def test_commands():
    assert complete("") == (list(COMMANDS), NO_FILES)
    assert complete("c") == (["cancel", "compile", "check", "completion"], NO_FILES)
    assert complete("-") == (["--help", "--version"], NO_FILES)
    assert complete("no-such-command", "") == ([], NO_FILES)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_those_of_the_command(name):
    options = [each for option in words_of_command(name).options for each in option.names]
    assert complete(name, "--") == ([each for each in options if each.startswith("--")], NO_FILES)


@pytest.mark.parametrize(
    ("words", "offered", "directive"),
    [
        (("run", "-f", "ci"), [], FILES),
        (("run", ""), [], FILES),
        (("attach", "build", "-o", "j"), ["json"], NO_FILES),
        (("attach", "build", "--output=j"), ["--output=json"], NO_FILES),
        (("attach", "build", "--no-such-option=j"), [], NO_FILES),
        (("attach", "build", "--context", ""), [], NO_FILES),
        (("cancel", "--grace", "Cancelled"), ["CancelledRunFinally", "Cancelled"], NO_FILES),
        (("completion", ""), ["bash", "zsh", "fish"], NO_FILES),
    ],
)
def test_values(words, offered, directive):
    assert complete(*words) == (offered, directive)


def test_what_each_is_for_stands_behind_a_tab():
    program = Path(sys.executable).with_name("kubectl_complete-monopod")
    done = subprocess.run([program, "att"], capture_output=True, text=True, check=True)
    assert done.stdout == "attach\tfollow a run in a cluster, from its beginning to its end\n:4\n"
