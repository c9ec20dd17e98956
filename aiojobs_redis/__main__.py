"""Runs the command line as ``python -m aiojobs_redis``."""

from __future__ import annotations

from aiojobs_redis.cli.main import main

if __name__ == "__main__":
    main()
