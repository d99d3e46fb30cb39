"""Text formats of Go, Kubernetes and monopod's messages, one module each."""
