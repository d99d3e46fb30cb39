"""Reports on a recorded run: an HTML page, JUnit XML, a trace, failures, and where the time went."""
