"""Histories: what producers, workers and tasks did, written down, and judged afterwards."""
