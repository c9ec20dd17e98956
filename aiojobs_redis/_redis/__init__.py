"""Everything that talks to Redis; no other package imports redis-py."""
