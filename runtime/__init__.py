"""The runtime: what a Pod carries to run its coordinator in a stock Python image, and how it is packed and started."""
