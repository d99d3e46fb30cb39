"""Caches between runs: the program of the Steps that restore and save them."""
