"""Copying trees of files: reading and writing them, their form as tar entries, and the exchange over a channel."""
