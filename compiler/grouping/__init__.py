"""Groups of Tasks, a Pod each, which an engine of the cluster starts: JobSet, Argo Workflows or Tekton."""
