"""Photos: reading a file, and preparing it for the model."""
