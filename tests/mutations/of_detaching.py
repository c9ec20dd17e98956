"""Faults in how a job goes on without others for which it waits, and in which of these go."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

DETACH, PRUNE = "lua/detach.lua", "lua/prune.lua"
FORGET, UNNEEDED = "lua/include/forget_parents.lua", "lua/include/unneeded.lua"
LUA = ("tests/lua/test_detach.py",)
RUN = ("tests/redis/worker/test_detaching.py",)
MUTANTS = (
    Mutant(
        "any blocked job may be freed of others",
        FORGET,
        "and redis.call('HEXISTS', flows, 'n' .. id) == 1",
        "",
        first=LUA,
    ),
    Mutant(
        "what the failure of a forgotten job means is that of the next one",
        FORGET,
        "    places[#places + 1] = place\n",
        "    places[#places + 1] = 251\n",
        first=LUA,
    ),
    Mutant(
        "those that a job named itself move up to those it had",
        FORGET,
        "int(count - before)",
        "count",
        first=LUA,
    ),
    Mutant(
        "one that has ended counts when it is forgotten",
        FORGET,
        "waited + (redis.call('ZSCORE', edges, edge(parent, 'a', id)) and 1 or 0)",
        "waited + 1",
        first=LUA,
    ),
    Mutant(
        "a gate may be removed",
        DETACH,
        "parent == name and not is_gate(name)",
        "parent == name",
        first=LUA,
    ),
    Mutant(
        "a detachment that is sent again is a new one",
        DETACH,
        "if before then",
        "if false then",
        first=LUA,
    ),
    Mutant(
        "what has started is cancelled since one job goes on without it",
        UNNEEDED,
        "and run.started == '' and run",
        "and run",
        first=LUA,
    ),
    Mutant(
        "what another job needs is cancelled",
        UNNEEDED,
        "        return false\n      end\n    end\n",
        "      end\n    end\n",
        first=LUA,
    ),
    Mutant(
        "what another queue waits for is cancelled",
        UNNEEDED,
        "if not string.find(',' .. queues",
        "if false and not string.find(',' .. queues",
        first=LUA,
    ),
    Mutant(
        "who waited for what is cancelled dies of it",
        PRUNE,
        "  forget_parents(waiting_id, run, without)\n",
        "",
        first=LUA,
    ),
    Mutant(
        "what only cancelled jobs needed stays",
        "pruner.py",
        "                page.append(place)\n",
        "                page += [place] if place in self._kin[self._job].parents else []\n",
        first=RUN,
    ),
    Mutant(
        "who asked for one of another queue waits for it for ever",
        "pruner.py",
        "if (await detach(self._store, self._job.id, name)).isupper():",
        "if name:",
        first=RUN,
    ),
)
