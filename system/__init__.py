"""What Linux offers and Python's standard library lacks. Imports nothing else of monopod."""
