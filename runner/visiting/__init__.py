"""Looking inside a run: a shell or a command beside a Step, and the release of a Step that is held."""
