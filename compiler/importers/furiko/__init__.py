"""Furiko's Job and JobConfig: how they become PipelineRuns and Pipelines."""
