"""The exported model: its manifest, and its two runtimes, TorchScript and ONNX. No tensor leaves this folder."""
