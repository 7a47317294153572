"""The manifest and the two runtimes: TorchScript and ONNX Runtime. No tensor leaves this folder."""
