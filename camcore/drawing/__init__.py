"""Heatmaps as pictures, and atomic writing of result files."""
