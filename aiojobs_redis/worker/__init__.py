"""The worker: claims jobs, runs them, and keeps its promises about their leases."""
