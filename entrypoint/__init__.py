"""All that runs inside the Pod: the C entrypoint in each container, and the coordinator that runs the DAG."""
