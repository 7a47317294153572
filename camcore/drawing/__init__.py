"""Heatmaps as pictures, and files written whole or not at all."""
