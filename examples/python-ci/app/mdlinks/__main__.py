"""Lets ``python -m mdlinks`` be the command."""

import sys

from mdlinks.command_line import main

sys.exit(main())
