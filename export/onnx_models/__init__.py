"""Classifiers in ONNX files: how they are read, where they are split, and their heads in torch."""
