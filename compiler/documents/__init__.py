"""YAML input: files, positions, the documents in the files, and the choice of the runs."""
