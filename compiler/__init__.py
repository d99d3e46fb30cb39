"""YAML in, Plan and Pod out."""
