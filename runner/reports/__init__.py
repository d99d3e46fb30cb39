"""What is told of a recorded run: as a page, as JUnit XML, as a trace, and where its time went."""
