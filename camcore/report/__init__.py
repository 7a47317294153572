"""The report of explained photos: one HTML file, and the metrics as CSV."""
