"""From a file to a crop: decode an image, find its leukocytes, frame them, keep the crops. Needs no PyTorch."""
