"""Caches between runs: the annotation of a Task, the store that a run uses, and the Steps that come of them."""
