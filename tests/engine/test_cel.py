"""CEL is evaluated by an extension module that a process can load once, whoever else imports it."""

from __future__ import annotations

import subprocess
import sys

import pytest

EVALUATE = "from monopod.entrypoint.cel import evaluate; print(evaluate(\"'a' in ['a', 'b']\"))"
IMPORT_THE_PACKAGE = "import cel; print(cel.evaluate('1 + 1'))"


@pytest.mark.parametrize(
    ("statements", "printed"),
    [((EVALUATE, IMPORT_THE_PACKAGE), "True\n2\n"), ((IMPORT_THE_PACKAGE, EVALUATE), "2\nTrue\n")],
)
def test_the_package_may_be_imported_as_well(statements, printed):
    command = [sys.executable, "-c", "\n".join(statements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
