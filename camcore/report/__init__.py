"""The report on explained photos: one HTML file, and the metrics as CSV."""
