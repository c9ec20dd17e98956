"""Benchmarks: one module a question, each of which prints JSON; see docs/benchmarks.md."""
