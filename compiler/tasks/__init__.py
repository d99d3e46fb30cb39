"""Pipelines, Tasks, Steps and Workspaces: from the author's YAML to the Plan."""
