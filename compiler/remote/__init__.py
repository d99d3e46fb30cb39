"""Remote references: fetching the Task, Pipeline or StepAction that a ``resolver`` and its ``params`` stand for.

A module for each of Tekton's resolvers, each saying in its first lines what it does otherwise than Tekton.
"""
