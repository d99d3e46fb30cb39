"""The entrypoint of every Step's container: the C program, its build and its binaries."""
