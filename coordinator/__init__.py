"""The coordinator: the Python program in the Pod that runs the DAG. Control files and the journal; `engine` decides."""
