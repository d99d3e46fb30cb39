"""Advice: what is risky or unused in documents that compile. Only `monopod check` gives it."""
