"""Test of the program."""

# ruff: noqa: PT009

from __future__ import annotations

import subprocess
import sys
import unittest


class ApiTest(unittest.TestCase):
    """The program."""

    def test_it_prints_a_price(self) -> None:
        """The output is JSON."""
        printed = subprocess.run(
            [sys.executable, "-m", "api", "2 kg", "150"], capture_output=True, text=True, check=True
        )
        self.assertEqual(printed.stdout, '{"cents": 300}\n')
