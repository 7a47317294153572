"""The tab for many photos."""
