# SPDX-License-Identifier: MIT
"""A few seeds of the fuzzer on each kind of machine, and the inputs that were kept of each module's fuzzer; `make fuzz-machine` and
`make fuzz` have more."""

import os
import re

from . import fuzz
from .harness import BUILD, ROOT, need

STEPS = 2000


def seeds(machine, first, count, least, steps=STEPS):
    """Seeds @first and on, with @least exits: some end early, which is their right, but not all of them."""
    def test(context):
        found = fuzz.fuzz(context, machine, list(range(first, first + count)), steps)
        context.note(repr(found))
        need(found["exits"] >= least, "there were only %d exits" % found["exits"])
        context.remark = "%d exits, longest delay %d ticks" % (found["exits"], found["longest"])
    return test


def replay(context):
    """The modules' fuzzers take their seeds, all of them, and find nothing. fuzz_virtio is the test virtio-fuzz's."""
    seeds = os.path.join(ROOT, "guest-tests/fuzz/seeds")
    names = sorted(name for name in os.listdir(seeds) if name != "virtio")
    status, text = context.command(["make", "-C", ROOT, "BUILD=" + BUILD, "FUZZ=" + " ".join(names), "fuzz-replay"], timeout=600)
    need(status == 0, "an input is a finding, or a fuzzer cannot be built")
    ran = {name: int(count) for name, count in re.findall(r"fuzz: (\w+) +ok +(\d+) executions", text)}
    for name in names:
        with open(os.path.join(seeds, name)) as f:
            need(ran.get(name, 0) >= len(f.read().split()) > 0, "not all inputs of %s were taken" % name)
    context.remark = "%d inputs of %d fuzzers" % (sum(ran.values()), len(names))


def register(suite):
    suite.add("fuzz-replay", replay, 30)
    suite.add("fuzz-shared-1", seeds("shared-1", 54, 4, 5000), 10)
    suite.add("fuzz-own-2", seeds("own-2", 53, 1, 1000, 1500), 5)
    suite.add("fuzz-own-4", seeds("own-4", 20, 3, 2000), 15)
    suite.add("fuzz-own-threads", seeds("own-threads", 100, 3, 2000), 15)
