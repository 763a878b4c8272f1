# SPDX-License-Identifier: MIT
"""The fuzzer beside its victim: gives it one seed after the other, starts it again whatever became of it, and judges both.

A machine of MACHINES and a seed say everything: what is configured follows from the seed (variant())."""

import os
import re

from .harness import config, emulib, flat, guest_file, need

# Topology, the fuzzer's keys, the victim's, and its longest delay in ticks. On a core of its own: 1 ms. On a shared one: a slice, and a
# fifth of one for what the operator types and a VM's end meanwhile; where the operator starts the fuzzer again on the victim's core, its
# memory is prepared there besides.
OWN, SHARED, STARTED = 100000, 1200000, 5000000
MACHINES = {
    "shared-1": ("1:1:1", {"cpus": "0"}, {"cpus": "0"}, SHARED),
    "own-2": ("1:2:1", {"cpus": "0"}, {"cpus": "1"}, OWN),
    "own-4": ("1:4:1", {"cpus": "0-2", "vcpus": 3}, {"cpus": "3"}, OWN),
    "own-threads": ("1:2:2", {"cpus": "0-1", "vcpus": 2}, {"cpus": "2"}, OWN),
    "shared-4": ("1:4:1", {"cpus": "0-3", "vcpus": 4}, {"cpus": "3"}, SHARED),
}
# Instructions without interrupts: 10,000, and the flush on the way back with what is zeroed before it. Of one CPU, which waits for no
# other.
HELD_OFF = 15000
SEEDS_A_BOOT = 50
STEPS = 3000
# A seed that takes longer, in the victim's beats of 10 million ticks, is stopped by the operator: it is stuck, or does what has no
# end; so many for each vCPU. Nested, an exit takes as long as a hundred here.
PATIENCE_BEATS, PATIENCE_NESTED = 8, 400
# Seconds in which nothing at all is said.
SILENCE = 600
# What the guest's kernel did to itself (docs/SECURITY.md); everything else that stops a VM is a fault.
FIT = re.compile("cannot decode touches device memory|delivery touches device memory|executes code where there is no memory|"
                 "page tables lie where there is no memory|halted with interrupts off|triple fault|hardware task switches|"
                 "the operator wants it")
EVENT = re.compile(r'fuzz: (waits)|fuzz: seed \d+ (ends)|fuzz: a (storm)|"type":"vm","vm":"fuzz","state":"(\w+)"|'
                   r'\[victim\] (beat) \d+ longest|"type":"(panic)"|"type":"vm","vm":"victim","state":"(\w+)"')
PROMPT = "cloister> "


class Player:
    """Plays the operator: what emulib.follow() asks of a script."""

    def __init__(self, seeds, patience=PATIENCE_BEATS):
        self.waiting, self.seed, self.failure, self.steps = list(seeds), None, None, [("seeds",)]
        self.seen, self.answered, self.todo, self.beats, self.outcomes = 0, 0, [], 0, []
        self.storm, self.said, self.patience = False, 0, patience

    def type(self, *pairs):
        """Sends each text once what is to come before it, a regular expression, has come."""
        self.todo += pairs

    def settle(self, outcome):
        if self.seed is not None:
            self.outcomes.append((self.seed, outcome))
        self.seed, self.beats, self.storm = None, 0, False

    def next_seed(self):
        if not self.waiting:
            self.type(("", b"\x1d"), (PROMPT, b"stop fuzz\r"), ('"state":"stopped"', b""), (PROMPT, b"attach victim\r"), ("", b"q"),
                      ('"vm":"victim","state":"poweroff"', b"\x1d"), (PROMPT, b"end\r"))
            self.steps = []
            return
        self.seed = self.waiting.pop(0)
        self.type(("", b"%d\r" % self.seed))

    def on(self, waits, ends, storm, state, beat, panic, victim):
        if waits:
            self.settle("reset")
            self.next_seed()
        elif ends:
            self.settle("ended")
        elif storm:
            self.storm = True
        elif state in ("stopped", "poweroff") and self.steps and not (self.todo and state == "stopped"):
            self.settle(state)
            self.type(("", b"\x1d"), (PROMPT, b"start fuzz\r"), ('"vm":"fuzz","state":"running"', b"\x1d"))
        elif beat and self.seed is not None and not self.todo:
            self.beats += 1
            if self.beats > self.patience:
                self.settle("storm" if self.storm else "stuck")
                # It may have ended by itself meanwhile.
                self.type(("", b"\x1d"), (PROMPT, b"dump fuzz\r"), (PROMPT, b"stop fuzz\r"),
                          ('"vm":"fuzz","state":"stopped"|cloister: fuzz does not run', b""),
                          (PROMPT, b"start fuzz\r"), ('"vm":"fuzz","state":"running"', b"\x1d"))
        elif victim and victim not in ("running", "poweroff"):
            self.failure = "the victim is %s" % victim

    def advance(self, serial, text, now):
        whole = text.rfind("\n") + 1
        if len(text) > self.answered or not self.said:
            self.said = now
        for match in EVENT.finditer(text, self.seen, whole):
            self.on(*match.groups())
        self.seen = max(self.seen, whole)
        while self.todo:
            wanted, answer = self.todo[0]
            found = re.compile(wanted).search(text, self.answered)
            if not found:
                break
            self.answered = found.end() if wanted else len(text)
            serial.write(answer)
            self.todo.pop(0)
            self.said = now
        if now - self.said > SILENCE:
            self.failure = "nothing happens any more with seed %s, after %r" % (self.seed, text[-200:])


def variant(seed):
    """What is configured for a seed and those that share its boot: (hypervisor's keys, fuzzer's keys, emulator's options)."""
    turn = seed // SEEDS_A_BOOT
    hypervisor = {"mitigation": ("asi", "asi+stun", "always-flush", "asi", "cond-flush", "always-flush+stun", "off")[turn % 7],
                  "apicv": ("auto", "off")[turn // 2 % 2], "timer": ("auto", "auto", "preemption")[turn % 3], "debug_hypercalls": "off"}
    fuzz = {"memory_mode": ("eager", "lazy")[turn % 2], "console": ("uart", "virtio")[turn // 3 % 2],
            "user_hypercalls": ("off", "on")[turn // 2 % 2]}
    return hypervisor, fuzz, {"model": ("corei7_skylake_x", "corei7_icelake_u", "corei7_skylake_x", "corei7_haswell_4770")[turn % 4]}


def check_victim(run, bar):
    """It passed all its checks, each of its lines is there; the longest time that it was not let run."""
    text = re.sub(r"(?m)^\[victim\] ", "", run.text)
    torn = re.findall(r"(?m)^.+\[victim\] .*", run.text)
    need(not torn, "a line of the victim's does not begin one: %r" % torn[:3])
    failed = re.findall(r"(?m)^FAIL .*", text)
    need(not failed, "the victim: %s" % failed[:3])
    need(re.search(r"(?m)^done victim: \d+ passed, 0 failed", text), "the victim did not come to its end")
    beats, longest, started, state = [], 0, 0, ""
    for line in run.text.splitlines():
        match = re.match(r"\[victim\] beat (\d+) longest (\d+)$", line)
        if '"vm":"fuzz","state":' in line:
            # A guest that begins anew by itself is as any other.
            if '"running"' in line and state != "reboot" and beats and bar == SHARED:
                started = 2
            state = re.search(r'"vm":"fuzz","state":"(\w+)"', line).group(1)
        elif match:
            beats.append(int(match.group(1)))
            delay, most = int(match.group(2)), STARTED if started else bar
            need(bar is None or delay <= most, "the victim was held up for %d ticks, %s at most are allowed" % (delay, most))
            longest = max(longest, 0 if started else delay)
            started = max(0, started - 1)
    need(beats and beats == list(range(1, len(beats) + 1)), "the victim's lines: %s" % beats[-5:])
    return longest


def fuzz(context, machine, seeds, steps=STEPS, **options):
    """Runs @seeds, which share a boot; {"exits", "longest", "outcomes", "stops"}. Nested nobody judges delays: the CPU is others' too."""
    alone = context.launch is emulib.run
    smp, fuzz_keys, victim_keys, bar = MACHINES[machine]
    hypervisor, more, model = variant(seeds[0])
    need(len({seed // SEEDS_A_BOOT for seed in seeds}) == 1, "these seeds do not share a boot")
    vms = {"fuzz": dict(flat("fuzz", "steps=%d" % steps, "8M", disk="disk.img", net="lan1"), end_run="off", **dict(fuzz_keys, **more)),
           "victim": dict(flat("victim", "poweroff", "8M", disk="victim.img", net="lan0, lan0, lan1"), end_run="off", **victim_keys)}
    files = dict(guest_file("fuzz"), **guest_file("victim"), **{"disk.img": bytes(65536), "victim.img": bytes(65536)})
    player = Player(seeds, (PATIENCE_BEATS if alone else PATIENCE_NESTED) * fuzz_keys.get("vcpus", 1))
    path = os.path.join(context.dir, "longest.txt") if alone and smp == "1:1:1" else None
    run = context.boot(config(vms, **hypervisor), files, script=player, smp=smp, timeout=3600,
                       **dict(model if alone else {}, **(dict(options, longest=path) if path else options)))
    need(not player.failure, "%s" % player.failure)
    held = context.held_off(path) if path else 0
    need(held <= HELD_OFF, "interrupts were held off for %d instructions, at most %d are allowed" % (held, HELD_OFF))
    stops = [r.get("reason", "") for r in run.of_type("vm", vm="fuzz", state="stopped")]
    unfit = [reason for reason in stops if not FIT.search(reason)]
    need(not unfit, "the fuzzer's VM was stopped: %s" % unfit[:3])
    need(len(player.outcomes) == len(seeds), "%d of %d seeds came to an end" % (len(player.outcomes), len(seeds)))
    return {"exits": sum(r["total"] for r in run.of_type("stats", vm="fuzz")),
            "longest": check_victim(run, bar if alone else None), "outcomes": player.outcomes,
            "stops": [reason.split(";")[0] for reason in stops]}
