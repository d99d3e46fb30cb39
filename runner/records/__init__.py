"""Records of runs, which outlive their Pods: writing, finding and reading them."""
