"""Remote references: fetching the Task, Pipeline or StepAction that a ``resolver`` and its ``params`` describe.

Each of Tekton's resolvers has a module, whose docstring lists the differences from Tekton.
"""
