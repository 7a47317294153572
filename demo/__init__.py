"""The page: one photo, three heatmaps side by side."""
