"""Pipelines, Tasks, Steps and Workspaces: from what an author wrote to the Plan."""
