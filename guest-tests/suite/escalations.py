# SPDX-License-Identifier: MIT
"""The record of escalations, guest-tests/escalations.json: how often each recorded test's run leaves the restricted map,
by cause and function. A count that rises and a place that is new fail the test until the file says so too."""

import json
import os

from .harness import ROOT, Failure

FILE = os.path.join(ROOT, "guest-tests/escalations.json")
# How often these happen depends on when interrupts arrive, or on where a guest puts its code: their number is a bound, with room.
BOUNDED = ("schedule", "network", "split")
recording = None  # with --record-escalations: {test: its counts}, filled by the tests


def counts(run):
    """{"cause function": count} over all VMs and vCPUs of a run."""
    result = {}
    for r in run.of_type("escalation"):
        key = "%s %s" % (r["cause"], r["site"].split("+")[0])
        result[key] = result.get(key, 0) + r["count"]
    return result


def to_record(got):
    return {key: {"at_most": 2 * n + 8} if key.split()[0] in BOUNDED else n for key, n in sorted(got.items())}


def judge(recorded, got):
    """(what is worse than recorded, what is better): two lists of sentences."""
    worse, better = [], []
    for key, n in sorted(got.items()):
        known = recorded.get(key)
        limit = known["at_most"] if isinstance(known, dict) else known
        if known is None:
            worse.append("a new place, %s: %d" % (key, n))
        elif n > limit:
            worse.append("%s: %d, recorded are %d" % (key, n, limit))
        elif n < limit and not isinstance(known, dict):
            better.append("%s: %d instead of %d" % (key, n, limit))
    better += ["%s: none instead of %d" % (key, known) for key, known in sorted(recorded.items())
               if key not in got and not isinstance(known, dict)]
    return worse, better


def load():
    try:
        with open(FILE) as f:
            return json.load(f)
    except OSError:
        return {}


def save():
    """Writes what was recorded; tests that were not run keep their entries."""
    merged = dict(load(), **recording)
    with open(FILE, "w") as f:
        json.dump(merged, f, indent=1, sort_keys=True)
        f.write("\n")


def recorded(test):
    """The same test, and then its run's escalations are compared with the record. @test returns its Run."""
    def both(context):
        run = test(context)
        got = counts(run)
        if recording is not None:
            recording[context.name] = to_record(got)
            return run
        known = load().get(context.name)
        if known is None:
            raise Failure("escalations.json does not know this test: guest-tests/run --record-escalations")
        worse, better = judge(known, got)
        if worse:
            raise Failure("more escalations than recorded (meant so? guest-tests/run --record-escalations): %s" %
                          "; ".join(worse))
        if better:
            context.remark = "fewer escalations than recorded: %s" % "; ".join(better)
        return run
    both.recorded, both.unrecorded = True, test
    return both
