"""What a run leaves in a CI system beside its log: annotations of failed Steps, and a summary of the job."""
