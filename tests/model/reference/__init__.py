"""The rules of a queue in plain Python, without Redis and with a clock that is set by hand.

This is the specification in code: what `aiojobs_redis/_redis/lua` does is right when it does the
same. Read `job.py` (what is known of a job), `queue.py` (how it moves from state to state), then
the calls: `enqueue.py`, `exchange.py`, `upkeep.py`, `operating.py`, `schedules.py`. Times are
milliseconds.
"""
