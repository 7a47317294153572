"""The tab that explains the methods, the numbers and their limits."""
