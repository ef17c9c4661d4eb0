"""Buffycoat: tell white blood cells apart in photographs of stained smears, and say how far to trust it.

Research software, not a medical device.

Importing this package loads nothing heavy: neither PyTorch nor Matplotlib.
"""

__version__ = "0.1.0.dev0"
