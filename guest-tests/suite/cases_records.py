# SPDX-License-Identifier: MIT
"""What reads records: the report for people, and the record of escalations."""

import json
import os
import sys

from . import escalations
from .harness import ROOT, need

SITE = {"type": "escalation", "exit": "vmcall", "rip": "0x1", "address": "0x2", "class": "variable"}
STATS = {"type": "stats", "policy": "asi+stun", "total": 4000, "restricted": 3990, "escalations": 10, "l1d_flush_msr": 0,
         "l1d_flush_software": 11, "verw": 3, "predictor": 10, "ibpb": 1, "exits": {"io": 3900, "vmcall": 100},
         "stun": {"sent": 7, "wait_min": 90, "wait_median": 100, "wait_p99": 250, "stunned": 2, "stunned_ticks": 9}}


def log_of(*records):
    lines = ["some text", "@cloister {\"type\":\"stats\", cut o"]
    return "\n".join(lines + ["@cloister " + json.dumps(r, separators=(",", ":")) for r in records]) + "\n"


def tool(context, text, *options):
    path = os.path.join(context.dir, "console.txt")
    with open(path, "w") as f:
        f.write(text)
    return context.command([sys.executable, os.path.join(ROOT, "tools/report"), path] + list(options))


def report(context):
    """The report adds up vCPUs and VMs, takes each VM's last statistics, ranks by count."""
    old = dict(SITE, vm="a", cause="sensitive-access", site="gone+0x1", object="cpus", count=99)
    one = dict(SITE, vm="a", vcpu=0, cause="sensitive-access", site="debug+0x48", object="sensitive_word", count=3)
    two, three = dict(one, vcpu=1, count=4), dict(one, vm="b", count=5)
    other = dict(SITE, vm="b", cause="populate", site="vm_populate+0x47", object="pool of frames", count=2)
    other["class"] = "request"
    audit = {"type": "audit", "when": "boot", "violations": 0, "sensitive_bytes": 0}
    text = log_of(audit, old, dict(STATS, vm="a"), one, two, dict(STATS, vm="a", total=5000), three, other, dict(STATS, vm="b"))
    status, out = tool(context, text, "--json")
    need(status == 0, "it ends with status %d" % status)
    result = json.loads(out)
    need([(r["count"], r["site"], r["object"], r["vms"]) for r in result["escalations"]] ==
         [(12, "debug+0x48", "variable: sensitive_word", ["a", "b"]), (2, "vm_populate+0x47", "pool of frames", ["b"])],
         "the ranking is %s" % result["escalations"])
    need([(v["vm"], v["exits"]) for v in result["vms"]] == [("a", 5000), ("b", 4000)], "the VMs are %s" % result["vms"])
    status, out = tool(context, text)
    need(status == 0, "it ends with status %d" % status)
    for part in ("a under asi+stun: 5,000 exits, 79.80 % restricted", "io 3,900", "l1d_flush_software 11", "7 sent, wait 90",
                 "variable: sensitive_word", "0 violations"):
        need(part in out, "it does not show %r" % part)
    need(tool(context, "nothing\n")[0] == 1, "a log without records is called good")


def judge(context):
    """The record's comparison: what rises or is new fails, what falls is a note, what timing decides has room."""
    known = escalations.to_record({"check debug": 2, "schedule vm_yield": 10, "populate vm_populate": 4})
    need(known["schedule vm_yield"] == {"at_most": 28}, "the bound is %s" % known["schedule vm_yield"])
    for got, worse, better in (
            ({"check debug": 2, "schedule vm_yield": 28, "populate vm_populate": 4}, 0, 0),
            ({"check debug": 3, "schedule vm_yield": 1, "populate vm_populate": 4}, 1, 0),
            ({"check debug": 2, "schedule vm_yield": 29, "populate vm_populate": 5}, 2, 0),
            ({"check debug": 1}, 0, 2),
            ({"check debug": 2, "populate vm_populate": 4, "sensitive-access debug": 1}, 1, 0)):
        found = tuple(len(part) for part in escalations.judge(known, got))
        need(found == (worse, better), "%s gives %s, want %s" % (got, found, (worse, better)))


def register(suite):
    suite.add("records-report", report, 1)
    suite.add("records-escalations", judge, 1)
