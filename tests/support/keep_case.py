"""Reduces a case where engine and oracle disagree, and adds it to `kept_cases.py`.

python tests/support/keep_case.py SEED "what is wrong"
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from judgement import problems, reduced_to_its_problem
from random_pipelines import random_case
from reduction import described

KEPT = Path(__file__).with_name("kept_cases.py")


def main() -> int:
    seed, name = int(sys.argv[1]), sys.argv[2]
    case = random_case(seed)
    if not problems(case):
        print(f"engine and oracle agree on seed {seed}: there is nothing to keep", file=sys.stderr)
        return 1
    text = KEPT.read_text().rstrip()
    assert text.endswith("}")
    entry = f"    {name!r}: {described(reduced_to_its_problem(case))},\n"
    KEPT.write_text(f"{text.removesuffix('}')}{entry}}}\n")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", KEPT], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
