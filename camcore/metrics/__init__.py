"""Metrics of heatmaps as pure functions of NumPy arrays, and the verdict in words."""
