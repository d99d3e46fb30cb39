"""What a Pod requests, and how much of that it still needs while its run continues."""
