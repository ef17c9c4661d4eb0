"""A trained network as a folder that anyone can run: ``model.onnx`` and ``card.json``, read here without PyTorch."""
