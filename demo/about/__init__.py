"""The tab that explains the methods."""
