"""Faults in flows: ends that are not told, or twice, and children that wait too long."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

EDGES, HOLD, WAIT, RELEASE, REVIVE, ANEW, DEPART, WAITING = (
    f"lua/include/{name}.lua"
    for name in (
        "edges",
        "hold",
        "wait_abroad",
        "release",
        "revive",
        "again_as_new",
        "depart",
        "waiting",
    )
)
NAMESAKES = ("tests/lua/test_flow_namesakes.py",)
REPLAYS = ("tests/lua/test_flow_replays.py",)
CIRCLE = "lua/include/circle.lua"
CIRCLES = ("tests/lua/test_flow_circles.py",)
LATE = ("tests/lua/test_flows_across.py", "tests/redis/worker/test_flows_told_late.py")
AMONG = "lua/include/among.lua"
TOGETHER = ("tests/lua/test_flows_together.py",)
NAMING = "lua/include/name_parents.lua"
NAMED = ("tests/lua/test_named_parents.py",)
POLICY = "lua/include/policy.lua"
POLICIES = ("tests/lua/test_failure_policies.py",)
MUTANTS = (
    Mutant(
        "of many that end at once those behind many edges have no children",
        AMONG,
        "return #found < most and letters or nil",
        "return letters",
        first=TOGETHER,
    ),
    Mutant(
        "of many that end at once the last one has no children",
        AMONG,
        "last = last > head and last or head",
        "last = last ~= '' and last < head and last or head",
        first=TOGETHER,
    ),
    Mutant(
        "a result of many that keep none goes while children may read it",
        DEPART,
        "edges_among(batch.ids), parents_of(batch.ids)",
        "{}, parents_of(batch.ids)",
        first=TOGETHER,
    ),
    Mutant(
        "of many that end at once none tells its children",
        RELEASE,
        "has_edges(parent, 'a', 'c', among))",
        "false)",
        first=TOGETHER,
    ),
    Mutant(
        "news of a job before releases who waits for its namesake",
        WAIT,
        "math.max(number + raise, floor)",
        "number + raise",
        first=LATE,
    ),
    Mutant(
        "a producer that asked earlier makes old news count again",
        WAIT,
        "math.max(number + raise, floor)",
        "floor",
        first=LATE,
    ),
    Mutant(
        "what is added with a flow is told by news of the job before",
        "abroad.py",
        "for at in range(0, len(ids) or 1, _PAGE):",
        "for at in range(0, len(ids), _PAGE):",
        first=LATE[1:],
    ),
    Mutant(
        "who runs again with its parent is early",
        ANEW,
        "(in_time and ',[xb]%d+' or ',[xqbw]%d+')",
        "',[xqbw]%d+'",
        first=REPLAYS,
    ),
    Mutant(
        "who runs again with its parent loses its place among those of its time",
        ANEW,
        "',[xb]%d+'",
        "',[xqb]%d+'",
        first=REPLAYS,
    ),
    Mutant(
        "who is retried itself waits for its time",
        ANEW,
        "',[xqbw]%d+'",
        "',[xqb]%d+'",
        first=REPLAYS,
    ),
    Mutant(
        "who runs again with a parent that has completed is early",
        "lua/include/rejoin.lua",
        "elseif (tonumber(option(run.header, 'w')) or now) > now then",
        "elseif false then",
        first=REPLAYS,
    ),
    Mutant(
        "who runs again with a replayed job is not named",
        "lua/replay.lua",
        "found[#found + 1] = '+' .. id",
        "found[#found] = found[#found]",
        first=REPLAYS,
    ),
    Mutant(
        "a job that is gone leads to the queues alone that its own one knows",
        "kin.py",
        "known[parent].add(queue)",
        "pass",
        first=("tests/redis/worker/test_whole_flows_across.py",),
    ),
    Mutant(
        "who is replayed beside its parent is early",
        "lua/replay.lua",
        "died_with(id, chosen, stay)",
        "false",
        first=REPLAYS,
    ),
    Mutant(
        "two jobs may wait for each other",
        "lua/enqueue_flow.lua",
        "if not missing then",
        "if false then",
        first=CIRCLES,
    ),
    Mutant(
        "jobs may wait for each other through others",
        CIRCLE,
        "seen[above], found[#found + 1] = true, above",
        "seen[above] = true",
        first=CIRCLES,
    ),
    Mutant(
        "jobs may wait for each other through others of their call",
        CIRCLE,
        "(own[job] or redis.call('ZSCORE'",
        "(redis.call('ZSCORE'",
        first=CIRCLES,
    ),
    Mutant(
        "nobody may wait for one that was told of the id before",
        CIRCLE,
        "redis.call('ZSCORE', edges, edge(above, 'a', job))",
        "true",
        first=CIRCLES,
    ),
    Mutant(
        "what waits is followed without an end",
        CIRCLE,
        "if looks < 0 then",
        "if false then",
        first=CIRCLES,
    ),
    Mutant(
        "a parent that has completed is waited for",
        HOLD,
        "waits = waits + (done and 0 or 1)",
        "waits = waits + 1",
    ),
    Mutant(
        "a parent that is named twice is waited for twice",
        HOLD,
        "if not seen[parent] then",
        "if true then",
    ),
    Mutant(
        "nobody tells of a parent that had failed before",
        HOLD,
        "      push(flow.members, 0, '!' .. parent)\n",
        "      parent = nil\n",
    ),
    Mutant(
        "a child runs with its first parent",
        RELEASE,
        "  if left <= 0 then\n",
        "  if left >= 0 then\n",
    ),
    Mutant(
        "an end is told twice",
        RELEASE,
        "  redis.call('ZREM', edges, edge(parent, 'a', child))\n",
        "",
    ),
    Mutant(
        "a child that waits for its time runs at once",
        RELEASE,
        "tonumber(option(run.header, 'w')) or now",
        "now",
    ),
    Mutant(
        "a child that fails with its parent runs",
        RELEASE,
        "  if policy ~= 'r' and policy ~= 'n' then\n",
        "  if policy == 'c' then\n",
    ),
    Mutant(
        "a child that runs all the same fails",
        RELEASE,
        "  if policy ~= 'r' and policy ~= 'n' then\n",
        "  if letter ~= 'c' then\n",
    ),
    Mutant(
        "children over the number of a call are forgotten",
        RELEASE,
        "      told[parent] = count < room\n",
        "      told[parent] = true\n",
    ),
    Mutant(
        "a mark goes before all are told",
        RELEASE,
        "  if count < room then\n    redis.call('ZREM', edges, mark)\n",
        "  if true then\n    redis.call('ZREM', edges, mark)\n",
    ),
    Mutant(
        "nobody is left to tell",
        EDGES,
        "if has_edges(id, 'a', 'c', among) then",
        "if false then",
    ),
    Mutant(
        "edges of what has ended stay as they were",
        EDGES,
        "    redis.call('ZREM', edges, unpack(old))\n",
        "",
    ),
    Mutant(
        "a result goes while children may read it",
        EDGES,
        "return flowing and has_edges(id, 'a', 'e', among)",
        "return false",
    ),
    Mutant(
        "a retry revives nobody",
        REVIVE,
        "children(parent, 'k', 'l', room)",
        "{}",
    ),
    Mutant(
        "who died of a job runs again with another one of its id",
        REVIVE,
        "  if ended_before(old, blob, since) or killer and",
        "  if killer and",
        first=NAMESAKES,
    ),
    Mutant(
        "who was enqueued before its parent became another job does not run again with it",
        REVIVE,
        "begun < since and (tonumber(old.finished) or since) < since",
        "begun < since",
        first=NAMESAKES,
    ),
    Mutant(
        "who ended before its parent was enqueued, by a clock set back, does not run again",
        REVIVE,
        "since and begun and begun < since and",
        "since and",
        first=NAMESAKES,
    ),
    Mutant(
        "who has a parent that is gone may run again with another one of its id",
        REVIVE,
        " or killer and gone_for_good(letter, child) then",
        " then",
        first=NAMESAKES,
    ),
    Mutant(
        "a revived child does not wait for its parent",
        "lua/include/rejoin.lua",
        "  if rejoin(id) > 0 then\n",
        "  if rejoin(id) > 9 then\n",
    ),
    Mutant(
        "children of a revived child stay dead",
        "lua/include/rejoin.lua",
        "    redis.call('ZADD', edges, 0, '+' .. id)\n",
        "    do end\n",
    ),
    Mutant(
        "a revived child waits for parents that have ended",
        "lua/include/rejoin.lua",
        "local over = behind or letter == '' or string.find('cdxg', letter, 1, true)",
        "local over = false",
    ),
    Mutant(
        "who is added behind one that is to run again dies of its old end",
        RELEASE,
        "mark and left_to_revive() or mark",
        "mark",
        first=("tests/lua/test_flows_across.py",),
    ),
    Mutant(
        "a wait that nobody would end goes on",
        WAITING,
        "        redis.call('ZADD', edges, 0, '!' .. parent)\n",
        "        waits = waits + 0\n",
        model=False,
    ),
    Mutant(
        "a retry waits for who waits for it",
        "lua/include/rejoin.lua",
        "letter == 'b' and in_circle.with and in_circle.with(parents[i], id)",
        "false",
        first=CIRCLES,
    ),
    Mutant(
        "all parents mean what the first one does",
        POLICY,
        "string.sub(letters, place + 1, place + 1)",
        "string.sub(letters, 2, 2)",
        first=POLICIES,
    ),
    Mutant(
        "who is to run now waits for the others",
        RELEASE,
        "policy == 'n' and stop_waiting(child) or",
        "",
        first=POLICIES,
    ),
    Mutant(
        "who is to run now does so before its gate opens",
        POLICY,
        "waits = waits + (redis.call('ZSCORE', edges, edge(parent, 'a', child)) and 1 or 0)",
        "waits = 0",
        first=POLICIES,
    ),
    Mutant(
        "a gate takes the place of a parent among the policies",
        POLICY,
        "(is_gate(one) and 0 or 1)",
        "1",
        first=("tests/redis/worker/test_edges.py",),
    ),
    Mutant(
        "what is behind a job that was cancelled with its parent only fails",
        RELEASE,
        "letter == 'x' and #found > 0 and swept(parent)",
        "false",
        first=POLICIES,
    ),
    Mutant(
        "whoever is cancelled takes what is behind it along",
        RELEASE,
        "#found > 0 and swept(parent)",
        "#found > 0",
        first=POLICIES,
    ),
    Mutant(
        "a parent that does not matter keeps a child dead",
        "lua/include/revive.lua",
        "if failed and fatal(child, header, parents[i]) then",
        "if failed then",
        first=POLICIES,
    ),
    Mutant(
        "who is replayed stays dead for a parent that does not matter",
        "lua/include/left_out.lua",
        "(all or fatal(id, header, parents[i]))",
        "true",
        first=POLICIES,
    ),
    Mutant(
        "of parents that share very many children all are read at once",
        "lua/kin.lua",
        "  if sum > most and i > 2 then\n",
        "  if false then\n",
        first=("tests/lua/test_flow_loads.py",),
        model=False,
    ),
    Mutant(
        "who names a job that has failed waits for ever",
        NAMING,
        "string.find('dx', letter, 1, true)) then",
        "false) then",
        first=NAMED,
    ),
    Mutant(
        "who names a job that waits for it waits for ever",
        NAMING,
        "name == id or awaited and leads_to(name, id, {})",
        "name == id",
        first=NAMED,
    ),
    Mutant(
        "a job that completed and runs again has what its last generation named",
        "lua/include/named.lua",
        "if not first then",
        "if first then",
        first=NAMED,
    ),
    Mutant(
        "who completes in the call that names it is waited for",
        NAMING,
        "    local done = letter == 'c' and not letter_abroad(name)\n",
        "    local done = false\n",
        first=NAMED,
    ),
    Mutant(
        "a queue without flows cannot wait for named jobs",
        "lua/include/plain.lua",
        "closes or naming or redis",
        "closes or redis",
        first=NAMED,
    ),
)
