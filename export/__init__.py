"""Export of an image classifier to TorchScript and ONNX, with a check that both equal the eager model."""
