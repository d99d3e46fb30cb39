"""YAML in: files, their positions, the documents in them, and which of them is run."""
