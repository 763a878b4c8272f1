# SPDX-License-Identifier: MIT
"""VMs that share cores: what each gets, when it wakes, what an exit costs, and what spinning does."""

from .cases_build import variant
from .harness import config, flat, guest_file, need, padded

SECOND = 100000000  # ticks of the emulator's clock


def boot(context, vms, smp, **options):
    """All VMs come to their end well; {label: {vm: value}} of what they marked."""
    run = context.boot(config(vms, mitigation="asi+stun"), guest_file("share"), smp=smp, timeout=options.pop("timeout", 300),
                       **options)
    run.expect_all_well(vms, "share")
    marks = {}
    for record in run.of_type("bench"):
        marks.setdefault(record["label"], {})[record["vm"]] = record["value"]
    return run, marks


def some(count, words, **keys):
    return {"v%d" % i: flat("share", words + " poweroff", "2M", **keys) for i in range(count)}


def fair(vms, cores):
    """Equal VMs get equal parts of a second, within 5 %, and together nearly all that there is."""
    def test(context):
        _, marks = boot(context, vms, "1:%d:1" % cores)
        for label in ("ran", "work"):
            values = sorted(marks[label][vm] for vm in vms)
            mean = sum(values) / len(values)
            spread = (values[-1] - values[0]) / mean
            context.note("%s: %s; the spread is %.1f %%\n" % (label, values, 100 * spread))
            need(spread <= 0.05, "%s is from %d to %d: %.1f %%" % (label, values[0], values[-1], 100 * spread))
        part = sum(marks["ran"].values()) / (cores * SECOND)
        need(0.85 <= part <= 1.01, "together they had %.1f %% of the cores" % (100 * part))
    return test


def exits(context):
    """An exit of one VM among sixteen on a core costs what it costs where the VM is alone. One CPU, where ticks are instructions:
    with several the emulator's ticks depend on what the others execute."""
    costs = []
    for count in (1, 16):
        _, marks = boot(context, some(count, "cost", cpus="share"), "1:1:1", timeout=560)
        costs.append({label: sum(marks[label].values()) / count for label in ("least", "median")})
    context.note("alone %s, among sixteen %s\n" % tuple(costs))
    for label, alone in costs[0].items():
        need(abs(costs[1][label] - alone) <= 0.05 * alone, "%s: %d alone, %d among sixteen" % (label, alone, costs[1][label]))


def naps(context):
    """Those that sleep wake within a slice; the one that works has nearly all of the core."""
    vms = dict(some(2, "naps", cpus="share"), busy=flat("share", "work poweroff", cpus="0"))
    _, marks = boot(context, vms, "1:1:1")
    for vm, late in marks["late"].items():
        need(late < SECOND / 100, "%s woke %d ticks late" % (vm, late))
    part = marks["ran"]["busy"] / SECOND
    context.note("late: %s; busy ran %.1f %%\n" % (marks["late"], 100 * part))
    need(part > 0.9, "the one that works had %.1f %%" % (100 * part))


def greedy(context):
    """One that sleeps for a moment before each of its slices is over gets its turns in time, but not more of them than its part."""
    vms = dict(some(1, "work", cpus="share"), greedy=flat("share", "greedy poweroff", cpus="share"))
    _, marks = boot(context, vms, "1:1:1")
    part = 100 * marks["ran"]["v0"] / SECOND
    context.note("the other one had %.1f %%\n" % part)
    need(part > 45, "the other one had %.1f %% of the core" % part)


def naps_threads(context):
    """A core of two threads changes VMs for a nap's end and its next one, and for the slices between: neither thread ends a
    turn that the other has not begun yet."""
    run, marks = boot(context, {"nap": flat("share", "naps poweroff", cpus="share"),
                                "busy": flat("share", "work poweroff", cpus="share")}, "1:1:2")
    turns = {vm: sum(r["count"] for r in run.of_type("escalation", vm=vm, cause="schedule")) for vm in ("nap", "busy")}
    context.note("late: %s; turns: %s\n" % (marks["late"], turns))
    need(marks["late"]["nap"] < SECOND / 100, "it woke %d ticks late" % marks["late"]["nap"])
    need(turns["busy"] < 90, "the busy one had to leave %d times" % turns["busy"])


def loading(context):
    """A kernel that takes several slices to be loaded, again and again, is loaded in as many turns: nobody waits longer than for a
    slice. That goes on wherever it was left. Of one CPU the ticks are instructions, of several they depend on what the others execute."""
    image = padded("life", 24 << 20)
    for smp, count in (("1:1:1", 1), ("1:2:1", 2), ("1:1:2", 1)):
        vms = {"large%d" % i: dict(flat("life", "reboot", cpus="share"), kernel="large.bin") for i in range(count)}
        vms["gap"] = flat("share", "gap", "2M", cpus="share")
        run = context.boot(config(vms, mitigation="asi+stun"), dict(guest_file("share"), **{"large.bin": image}), smp=smp)
        run.expect_end(0)
        need(not run.failures_of(), "%s" % run.failures_of()[:1])
        longest = run.one("bench", label="gap")["value"]
        took = [r["run_ticks"] for r in run.of_type("stats") if r["vm"] != "gap"]
        context.note("%s: %d loaded, in %s to %s ticks; the gap %d\n" % (smp, len(took), min(took), max(took), longest))
        need(len(took) > 5 and min(took) > 2 * SECOND / 100, "nothing took long: %s" % took)
        need(longest > SECOND / 400, "nothing kept it waiting")
        need(smp != "1:1:1" or longest < 1.02 * SECOND / 100, "somebody waited for %d ticks" % longest)


def typed(context):
    """What is typed for one VM takes no turn off the other before that has had a little of it."""
    vms = {"echo": flat("echo", "nested poweroff", "2M", cpus="0"), "gap": flat("share", "gap poweroff", "2M", cpus="share")}
    script = "expect ready\nsend %s\nexpect got: x{39}\nsend quit\n" % ("x" * 60)
    run = context.boot(config(vms, mitigation="asi+stun"), dict(guest_file("share"), **guest_file("echo")), smp="1:1:1", script=script)
    run.expect_all_well(vms)
    longest = run.one("bench", label="gap")["value"]
    context.note("the gap %d\n" % longest)
    need(longest < 1.02 * SECOND / 100, "the other one waited for %d ticks" % longest)


def idle(context):
    """A VM that sleeps halts its core."""
    run, marks = boot(context, some(1, "naps", cpus="share"), "1:2:1")
    halted = run.one("stats")["halted_ticks"]
    need(halted > 1.2 * SECOND, "halted for %d of %d ticks" % (halted, SECOND))
    need(marks["late"]["v0"] < SECOND / 1000, "it woke %d ticks late" % marks["late"]["v0"])


def ring(context, smp="1:1:2", **options):
    _, marks = boot(context, {"r": flat("share", "ring poweroff", vcpus=4, cpus="share")}, smp, **options)
    context.note("a hop takes %d ticks\n" % marks["hop"]["r"])
    return marks["hop"]["r"]


def yields(context):
    """A vCPU that spins lets the one run that it waits for: a hop takes less than a tenth of a slice."""
    hop = ring(context)
    need(hop < SECOND / 100 / 10, "a hop takes %d ticks" % hop)


def no_yield(context):
    """Without directed yield it is the end of the slice that lets it run."""
    hop = ring(context, build=variant(context, "no_directed_yield", "BREAK=no_directed_yield"))
    need(hop > SECOND / 100 / 4, "a hop takes %d ticks" % hop)


def register(suite):
    suite.add("share-three-on-two", fair(some(3, "work", cpus="share"), 2), 10)
    suite.add("share-sixteen-on-two", fair(some(16, "work", cpus="share"), 2), 20)
    suite.add("share-beside-pinned", fair(dict(some(2, "work", cpus="share"), p=flat("share", "work poweroff", cpus="1")), 2),
              10)
    suite.add("share-exits", exits, 40)
    suite.add("share-naps", naps, 10)
    suite.add("share-naps-threads", naps_threads, 15)
    suite.add("share-greedy", greedy, 10)
    suite.add("share-loading", loading, 20)
    suite.add("share-typed", typed)
    suite.add("share-idle", idle)
    suite.add("share-directed-yield", yields)
    suite.add("share-no-directed-yield-caught", no_yield)
