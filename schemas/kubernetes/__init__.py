"""The parts of Kubernetes' API that may stand in a Tekton document or beside it."""
