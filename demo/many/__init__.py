"""The tab Many photos."""
