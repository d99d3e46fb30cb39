"""Advice: what is risky or left over in documents that can be compiled. Given by `monopod check` alone."""
