"""Runs that other processes started: finding them, and showing them from their records or from their cluster."""
