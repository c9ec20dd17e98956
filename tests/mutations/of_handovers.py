"""Faults in the processes that hand news from queue to queue, and in how a flow is spread."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

ABROAD, HANDOVER, SPREAD, NEIGHBOURS = (
    "abroad.py",
    "../worker/handover.py",
    "../spread.py",
    "../neighbours.py",
)
# These files take seconds, the model minutes.
RUN = (
    "tests/redis/worker/test_flows_across.py",
    "tests/redis/worker/test_whole_flows_across.py",
    "tests/redis/worker/test_handover_losses.py",
    "tests/redis/test_rights_across.py",
)
MUTANTS = (
    Mutant(
        "what is not there yet is gone at once",
        ABROAD,
        'letter in "gw" and waited[name] < _PATIENCE_MS',
        'letter in "gw" and waited[name] < 0',
        first=RUN,
    ),
    Mutant(
        "a gate that stays shut is waited for for ever",
        ABROAD,
        'letter == "q" or (letter in "gw" and',
        'letter in "qw" or (letter in "gw" and',
        first=RUN,
    ),
    Mutant(
        "a job that is not there may be waited for",
        ABROAD,
        'if letter == "g"), None)',
        "if not letter), None)",
        first=RUN,
    ),
    Mutant(
        "what ends because of a job of another queue is logged by nobody",
        ABROAD,
        "    if told:\n        found(store.queue, told[0])\n",
        "",
        first=RUN,
    ),
    Mutant(
        "a queue that cannot be told keeps others from being told",
        ABROAD,
        "                taken += await _tell(store, queue, number, own, found)\n"
        "            except AiojobsError as error:\n                failed = error\n",
        "                taken += await _tell(store, queue, number, own, found)\n"
        "            except AiojobsError:\n                raise\n",
        first=RUN,
    ),
    Mutant(
        "a queue that cannot be asked keeps others from being asked",
        ABROAD,
        "waited, found)\n        except AiojobsError as error:\n            failed = error\n",
        "waited, found)\n        except AiojobsError:\n            raise\n",
        first=RUN,
    ),
    Mutant(
        "the leader hands over nothing that was left",
        HANDOVER,
        "        if beat.to_send:\n            self.send()\n",
        "",
        first=RUN,
    ),
    Mutant(
        "the leader asks for nothing",
        HANDOVER,
        "            self._asks = True\n",
        "            self._asks = False\n",
        first=RUN,
    ),
    Mutant(
        "a flow comes before the word of the one before it",
        ABROAD,
        'id.startswith(_MARK) and letter == "c"',
        "False",
        first=("tests/redis/worker/test_flows_told_late.py",),
    ),
    Mutant(
        "a part that was refused leaves the parts before it",
        SPREAD,
        '            await Remover(owners[name].store).remove(added, "b")\n',
        "            await asyncio.sleep(0)\n",
        first=RUN,
    ),
    Mutant(
        "with a part that was refused go jobs that were there before",
        SPREAD,
        "[job.id for job in own if job.created]",
        "[job.id for job in own]",
        first=RUN,
    ),
    Mutant(
        "parts are taken back although the last one may be there",
        SPREAD,
        "    except (QueueUnavailable, NotReplicated, asyncio.CancelledError):\n",
        "    except NotReplicated:\n",
        first=RUN,
    ),
    Mutant(
        "a flow whose gate may have been given up is completed",
        SPREAD,
        "        _check_time(asyncio.get_running_loop().time() - began)\n",
        "",
        first=RUN,
    ),
    Mutant(
        "only the first jobs of a part are behind its gate",
        NEIGHBOURS,
        "[_behind(job, part.gate) for job in jobs] if part.gate",
        "[job if job.parents else _behind(job, part.gate) for job in jobs] if part.gate",
        first=RUN,
    ),
    Mutant(
        "queues of two namespaces may wait for each other",
        NEIGHBOURS,
        '            ("namespace", self.namespace, other.namespace),\n',
        "",
        first=RUN,
    ),
    Mutant(
        "a queue that seals waits for one that does not",
        NEIGHBOURS,
        '            ("codec", self.seals, other.seals),\n',
        "",
        first=RUN,
    ),
)
