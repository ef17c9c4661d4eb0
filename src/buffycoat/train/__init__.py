"""Training: cached crops in, held-out predictions, history and weights out."""
