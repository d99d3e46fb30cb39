"""Completion of the command line, in shells and through kubectl."""
