"""What is kept of runs when their Pods are gone: writing it while they go on, finding it, and reading it."""
