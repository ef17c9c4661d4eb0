"""Morphology: nucleus and cytoplasm measured as a haematologist describes them, in units, without a network."""
