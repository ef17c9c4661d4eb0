"""From a trained network to a bundle: the graph, its 8-bit form, its thresholds, its card. Names PyTorch and ONNX."""
