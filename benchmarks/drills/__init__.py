"""Faults done to this package and its rivals in the same way, and what came of them."""
