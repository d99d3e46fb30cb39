"""Linux system calls and process handling that Python's standard library lacks. Imports nothing else of monopod."""
