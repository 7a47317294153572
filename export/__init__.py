"""Trace an image classifier into TorchScript and ONNX, and check that both equal the eager model."""
