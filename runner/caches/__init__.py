"""Caches between runs, seen from the command line: the default store, listing and pruning."""
