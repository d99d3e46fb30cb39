"""Displays of a run: on a terminal, as plain lines, and in the log of a CI system."""
