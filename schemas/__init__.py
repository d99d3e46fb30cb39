"""The types that cross a boundary: the Tekton and Kubernetes APIs, the Plan, the events of a run and its status."""
