# SPDX-License-Identifier: MIT
"""A few seeds of the fuzzer on each kind of machine; `make fuzz-machine` has more."""

from . import fuzz
from .harness import need

STEPS = 2000


def seeds(machine, first, count, least, steps=STEPS):
    """Seeds @first and on, with @least exits: some end early, which is their right, but not all of them."""
    def test(context):
        found = fuzz.fuzz(context, machine, list(range(first, first + count)), steps)
        context.note(repr(found))
        need(found["exits"] >= least, "there were only %d exits" % found["exits"])
        context.remark = "%d exits, longest delay %d ticks" % (found["exits"], found["longest"])
    return test


def register(suite):
    suite.add("fuzz-shared-1", seeds("shared-1", 54, 4, 5000), 10)
    suite.add("fuzz-own-2", seeds("own-2", 53, 1, 1000, 1500), 5)
    suite.add("fuzz-own-4", seeds("own-4", 20, 3, 2000), 15)
    suite.add("fuzz-own-threads", seeds("own-threads", 100, 3, 2000), 15)
