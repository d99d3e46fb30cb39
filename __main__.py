"""`python -m monopod` is the same program as `monopod`: for a Python whose scripts are not on the PATH."""

import sys

from monopod.runner.program import main

if __name__ == "__main__":
    sys.exit(main())
