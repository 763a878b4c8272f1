# SPDX-License-Identifier: MIT
"""Bare-metal test guests: one a family of VM exits; the guest checks, the records are judged here."""

import os

from .escalations import recorded
from .cases_build import variant
from .harness import config, flat, guest_file, need

SKYLAKE, ICELAKE, HASWELL = "corei7_skylake_x", "corei7_icelake_u", "corei7_haswell_4770"
# No TSC-deadline, no APIC virtualisation, no leaf 7, no INVPCID: the fallbacks.
ARRANDALE = "corei5_arrandale_m520"
# Two cores of two threads: a VM gets the first thread of a core.
TWO_CORES = "1:2:2"
ONE_CORE = "1:1:2"


def guest(name, words="", hypervisor=None, vm=None, **options):
    """A test that boots one guest and expects its checks to pass."""
    def test(context):
        run = context.boot(config({"t": flat(name, words, **(vm or {}))}, **(hypervisor or {})), guest_file(name),
                           **options)
        run.expect_guest(name)
        run.expect_errors()
        run.expect_end(0)
        return run
    return test


# 100 us of the emulator's clock.
HELD_OFF = 10000


def held_off(*guests):
    """From the first entry on no exit of these guests keeps interrupts off for longer than the bound: the emulator measures it."""
    def test(context):
        longest = []
        for name in guests:
            path = os.path.join(context.dir, name + ".txt")
            guest(name, longest=path)(context)
            longest.append((context.held_off(path), name))
        need(max(longest)[0] <= HELD_OFF, "interrupts were held off for %d instructions with the guest %s" % max(longest))
        context.remark = "%d instructions at most" % max(longest)[0]
    return test


def user_hypercalls(context):
    """At CPL 3 with the VM's leave: the records come as from its kernel."""
    run = guest("vmcall", "user", vm={"user_hypercalls": "on"})(context)
    mark = run.one("bench", vm="t", label='from a program" of 32 characters')
    need(mark["value"] == 4711, "the mark says %s" % mark)
    run.one("bench", vm="t", label="by words")


def user_policy(context):
    """With both keys a program changes the machine's policy, as the record says."""
    run = guest("vmcall", "user set-policy", vm={"user_hypercalls": "on", "set_policy": "on"})(context)
    need([r["mode"] for r in run.of_type("policy")] == ["asi", "cond-flush"], "policies: %s" % run.of_type("policy"))


def sensitive(flush, words="", hypervisor=None, cpus=1, **options):
    """The escalation's record names the place and the word; @flush is the counter that must have grown by the three touches."""
    def test(context):
        run = guest("sensitive", words, hypervisor, **options)(context)
        touch = [r for r in run.of_type("escalation") if r["cause"] == "sensitive-access"]
        need(len(touch) == 1, "%d escalation sites by access, want one: %s" % (len(touch), touch))
        need(touch[0]["count"] == 3, "the site's count is %d, want 3" % touch[0]["count"])
        need(touch[0]["exit"] == "vmcall", "the site's exit is %s, want vmcall" % touch[0]["exit"])
        need(touch[0]["site"].split("+")[0] in ("hypercall", "debug"),
             "the site is %s, want the hypercall that reads the word" % touch[0]["site"])
        need((touch[0]["class"], touch[0]["object"]) == ("variable", "sensitive_word"), "it touched %s" % touch[0])
        run.expect_audits(cpus)
        stats = run.one("stats")
        # Three touches and one walk over the maps, in pieces; and what was said of them, which the UART takes later.
        pieces = [r["count"] for r in run.of_type("escalation") if r["cause"] == "check"]
        need(len(pieces) == 1 and pieces[0] > 20, "the audit's pieces are %s" % pieces)
        said = [r["count"] for r in run.of_type("escalation") if r["cause"] in ("console", "schedule")]
        need(sum(said) <= 5, "saying so escalated %s times" % said)
        all_of_them = 3 + sum(pieces) + sum(said)
        for name, value in (("escalations", stats["escalations"]), ("exits not restricted", stats["total"] - stats["restricted"]),
                            ("defences of the predictor", stats["predictor"])):
            need(value == all_of_them, "%d %s, want %d" % (value, name, all_of_them))
        # Each of them flushes on its way back, and so does the first entry; the one in which this is said has yet to.
        for name in ("l1d_flush_msr", "l1d_flush_software", "verw"):
            want = all_of_them if name == flush else 0
            need(stats[name] == want, "%s is %d, want %d" % (name, stats[name], want))
        return run
    return test


def policy(mode, flushes):
    """The same guest without a restricted map: nothing is called restricted, and always-flush flushes each time."""
    def test(context):
        run = context.boot(config({"t": flat("calm")}, mitigation=mode), guest_file("calm"))
        run.expect_guest("calm")
        run.expect_end(0)
        stats = run.one("stats")
        need(run.one("policy")["mode"] == mode, "the policy record says %s" % run.one("policy")["mode"])
        need(stats["restricted"] == 0, "%d exits are called restricted" % stats["restricted"])
        need(stats["escalations"] == 0, "%d escalations" % stats["escalations"])
        # The first entry is flushed too, and the exit that prints the record has not entered again.
        count = stats["l1d_flush_software"]
        need(abs(count - (stats["total"] if flushes else 0)) <= 1, "%d flushes for %d exits" % (count, stats["total"]))
    return test


def cond_flush(context):
    """Full map, and a flush only behind an exit that took the way to sensitive data: here the pool of frames."""
    run = context.boot(config({"t": flat("ept", "lazy", memory_mode="lazy")}, mitigation="cond-flush"), guest_file("ept"))
    run.expect_guest("ept")
    run.expect_end(0)
    stats = run.one("stats")
    flushes, violations = stats["l1d_flush_software"], stats["exits"]["ept-violation"]
    need(stats["escalations"] == 0 and stats["restricted"] == 0, "something was called restricted")
    # Some of the EPT violations are accesses behind the end of memory, which need nothing sensitive.
    need(0 < flushes < violations < stats["total"] / 2, "%d flushes, %d EPT violations, %d exits" %
         (flushes, violations, stats["total"]))


def hardened(mode, **more):
    """Exits land in full behind RSB fill and BHB loop: the guest's registers survive, and the record says so."""
    def test(context):
        run = context.boot(config({"t": flat("instructions")}, mitigation=mode, **more), guest_file("instructions"),
                           model=ICELAKE)
        run.expect_guest("instructions")
        run.expect_end(0)
        record = run.one("policy")
        need(record["rsb_fill"] and record["bhb"] == "clear" and record["ibpb"], "the policy is %s" % record)
        need(record["spec_ctrl_swap"] == ("paranoid" in more), "spec_ctrl_swap is %s" % record["spec_ctrl_swap"])
        need(record["bhi"]["affected"] and record["bhi"]["action"] == "BHB clear loop", "bhi: %s" % record["bhi"])
        need(run.one("stats")["ibpb"] == 1, "%d IBPBs for one VM" % run.one("stats")["ibpb"])
    return test


def stop(word, reason, **options):
    """The VM is stopped for this reason, said once; its neighbour goes on to the end."""
    def test(context):
        vms = {"bad": flat("stop", word), "good": flat("calm", "poweroff")}
        run = context.boot(config(vms), dict(guest_file("stop"), **guest_file("calm")), smp=TWO_CORES, **options)
        run.expect_vm("bad", "stopped", reason)
        run.expect_errors(r"\[vm bad\] is stopped: .*" + reason)
        run.expect_guest("calm", "good")
        run.expect_vm("good", "poweroff")
        need(not run.failures_of("bad"), "the guest lived on: %s" % run.failures_of("bad"))
        run.expect_end(1)
    return test


def debug_storm(context):
    """Exceptions without end keep one CPU busy for ever; the neighbour runs to its end and ends the run."""
    vms = {"bad": flat("stop", "debug-storm"), "good": flat("calm", "short")}
    run = context.boot(config(vms), dict(guest_file("stop"), **guest_file("calm")), smp=TWO_CORES)
    need("expect a storm" in run.text, "the storm did not begin")
    need(not run.failures_of("bad"), "the storm ended: %s" % run.failures_of("bad"))
    need(not run.of_type("vm", vm="bad", state="stopped"), "the VM was stopped, which a storm does not ask for")
    run.expect_guest("calm", "good")
    run.expect_errors()
    run.expect_end(0)


def debug_storm_shared(context):
    """The same on the only CPU: the neighbour has its share of it, the operator is heard, and the VM can be stopped."""
    vms = {"bad": flat("stop", "debug-storm"), "good": flat("calm", "short poweroff")}
    run = context.boot(config(vms), dict(guest_file("stop"), **guest_file("calm")),
                       script="expect a storm\nexpect done calm\n" + "press ^]\nexpect cloister> \nsend stop bad\n"
                       "expect \"vm\":\"bad\",\"state\":\"stopped\"\nexpect cloister> \nsend end\n")
    run.expect_guest("calm", "good")
    need(not run.failures_of("bad"), "the storm ended: %s" % run.failures_of("bad"))
    run.expect_end(0)


def forge(others):
    """No text of a guest's is taken for a record, whether it has the console to itself or not."""
    def test(context):
        vms = dict({"t": flat("stop", "forge")}, **{name: flat("calm", "poweroff") for name in others})
        run = context.boot(config(vms), dict(guest_file("stop"), **guest_file("calm")))
        run.expect_end(7)
        need(len(run.of_type("end")) == 1 and not run.of_type("panic"), "records: %s" % run.of_type("end"))
        if others:
            need("[t] ^[[2K^[[1Gcloister: forged^?\n" in run.text, "its line is not shown as it is")
    return test


def reset(word):
    """The VM starts again and again, until its neighbour ends the run."""
    def test(context):
        vms = {"again": flat("stop", word), "good": flat("calm")}
        run = context.boot(config(vms), dict(guest_file("stop"), **guest_file("calm")), smp=TWO_CORES)
        run.expect_guest("calm", "good")
        reboots = len(run.of_type("vm", vm="again", state="reboot"))
        starts = len(run.of_type("vm", vm="again", state="running"))
        need(reboots >= 2 and starts >= 2, "%d reboots, %d starts, want 2 at least" % (reboots, starts))
        need(not run.failures_of("again"), "the guest lived on: %s" % run.failures_of("again"))
        run.expect_errors()
        run.expect_end(0)
    return test


def reborn(context, build=None, **vm):
    """A VM that fills its memory, reboots, and looks for what it left there; its neighbour ends the run."""
    words = "again pattern=0123456789abcdeffedcba9876543210"
    vms = {"again": flat("secret", words, **vm), "good": flat("calm")}
    run = context.boot(config(vms), dict(guest_file("secret"), **guest_file("calm")), smp=TWO_CORES, build=build)
    run.expect_guest("calm", "good")
    run.expect_end(0)
    need(len(run.of_type("vm", vm="again", state="reboot")) >= 1, "there was no reboot")
    checks = [line for line in run.guest_lines("again") if "what was there before the reboot" in line]
    need(len(checks) >= 2, "memory was looked at %d times, want before and behind a reboot" % len(checks))
    need("ok it is there now" in run.guest_lines("again"), "the guest does not find what is there")
    return checks


def restart_scrub(**vm):
    def test(context):
        checks = reborn(context, **vm)
        need(all(line.startswith("ok") for line in checks), "old memory is found: %s" % checks)
    return test


def restart_not_scrubbed(context):
    checks = reborn(context, build=variant(context, "skip_restart_scrub", "BREAK=skip_restart_scrub"))
    need(checks[0].startswith("ok") and checks[1].startswith("FAIL"), "the old memory is not found: %s" % checks)


def poweroff(context):
    run = context.boot(config({"t": flat("stop", "off")}), guest_file("stop"))
    run.expect_vm("t", "poweroff")
    run.expect_errors()
    run.expect_end(0)


def end_status(word, status):
    def test(context):
        run = context.boot(config({"t": flat("stop", word)}), guest_file("stop"))
        run.expect_end(status)
    return test


def hostile(mode, lazy=False):
    """40,000 random operations; the neighbour must not notice."""
    def test(context):
        more = {"memory_mode": "lazy"} if lazy else {}
        vms = {"bad": flat("hostile", "poweroff", **more), "good": flat("calm", "poweroff")}
        run = context.boot(config(vms, mitigation=mode), dict(guest_file("hostile"), **guest_file("calm")),
                           smp=TWO_CORES, timeout=400)
        run.expect_guest("hostile", "bad")
        run.expect_guest("calm", "good")
        total = run.one("stats", vm="bad")["total"]
        need(total > 30000, "only %d exits" % total)
        run.expect_end(0)
    return test


def stun(context):
    """A sibling that computes is stunned for each escalation; how long the acknowledgement takes is a bar."""
    run = context.boot(config({"t": flat("stun", vcpus=2)}, mitigation="asi+stun"), guest_file("stun"),
                       smp=ONE_CORE, quantum=1)
    run.expect_guest("stun")
    run.expect_errors()
    run.expect_end(0)
    median = run.one("bench", label="stun.median")["value"]
    need(median <= 300, "a stun takes %d ticks, want 300 at most" % median)


def policies(smp):
    """Every policy in one boot, changed by hypercall; the records say when all CPUs have gone over."""
    def test(context):
        words = "one-core" if smp == ONE_CORE else ""
        run = guest("policies", words, {"mitigation": "asi+stun"}, {"vcpus": 2, "set_policy": "on"}, smp=smp)(context)
        records = run.of_type("policy")
        modes = [r["mode"] for r in records[:7]]
        need(modes == ["asi+stun", "off", "always-flush", "always-flush+stun", "cond-flush", "asi", "asi+stun"],
             "the policies are %s" % modes)
        need([r["generation"] for r in records] == list(range(len(records))), "a change has no record, or two")
    return test


def smt_off(context):
    """Siblings parked from the start: two vCPUs take turns on the one thread that is left."""
    run = guest("smp", "vcpus-2", {"mitigation": "auto", "smt": "off"}, {"vcpus": 2}, smp=ONE_CORE)(context)
    policy = run.one("policy")
    need(not policy["smt"] and policy["mode"] == "asi" and policy["stun"], "the policy is %s" % policy)
    need(run.of_type("stats")[-1]["stun"]["sent"] == 0, "a parked sibling was stunned")


MONITOR = """expect ready
send hello
expect got: hello
press ^]
expect cloister>
send vms
expect t: running, 32 MiB, 2 vCPUs: CPU 0 [a-z]+, CPU 1 [a-z]+
expect memory: [0-9]+ KiB of
send stats
expect "type":"stats","vm":"t"
send stats nobody
expect no VM nobody
send audit
expect 0 violations
send policy off
expect "type":"policy","mode":"off"
send smt off
expect "smt":false
send policy asi+stun
expect "type":"policy","mode":"asi.stun"
send smt on
expect "smt":true
send policy auto paranoid
expect "paranoid":true
send policy
expect "paranoid":true
send policy of
expect MODE is one of auto, off
send vmx\x7fs
expect t: running
send bogus
expect no command bogus
send help
expect back to the guest
send exit
send world
expect got: world
press ^]
expect cloister>
press ^]
send quit
expect done echo
"""


def monitor(context):
    """Every command; what is typed for the monitor does not reach the guest, and the other way round."""
    run = guest("echo", "vcpus-2", {"mitigation": "asi+stun"}, {"vcpus": 2}, smp=ONE_CORE, script=MONITOR)(context)
    got = [line for line in run.lines() if line.startswith("got: ")]
    need(got == ["got: hello", "got: world", "got: quit"], "the guest got %s" % got)
    changes = [(r["mode"], r["smt"]) for r in run.of_type("policy")]
    need(changes == [("asi+stun", True), ("off", True), ("off", False), ("asi+stun", False), ("asi+stun", True),
                     ("asi+stun", True), ("asi+stun", True)], "the policies were %s" % changes)
    need(run.of_type("audit")[-1]["when"] == "monitor", "the audit is not the monitor's")


def monitor_outlives(context):
    """Two VMs on one thread: the key is the operator's whichever of them runs, and still after the console's VM has
    ended."""
    vms = {"a": flat("echo", "poweroff"), "b": flat("echo", "until-off poweroff")}
    run = context.boot(config(vms, mitigation="asi"), guest_file("echo"), script="""expect ready
press ^]
expect cloister>
press ^]
send quit
expect "vm":"a","state":"poweroff"
send lost
press ^]
expect cloister>
send vms
expect a: ended
expect b: running
send stats a
expect a does not run
send stats
expect "type":"stats","vm":"b"
send policy off
expect "vm":"b","state":"poweroff"
press ^]
""")
    run.expect_all_well(vms, "echo")


def policies_beside(context):
    """The policy changes under the feet of two neighbours, one of them on the same core."""
    vms = {"t": flat("policies", "poweroff", vcpus=2, cpus="0-1", set_policy="on"),
           "same": flat("calm", "poweroff", cpus="1"), "other": flat("smp", "vcpus-2 poweroff", vcpus=2, cpus="2-3")}
    files = dict(guest_file("policies"), **dict(guest_file("calm"), **guest_file("smp")))
    run = context.boot(config(vms, mitigation="asi+stun"), files, smp=TWO_CORES)
    run.expect_guest("calm", "same")
    run.expect_guest("smp", "other")
    run.expect_all_well(vms)


def shared_core(smp, mode="asi+stun"):
    """Three VMs on one core: each comes to its end, none notices the others."""
    def test(context):
        vms = {"a": flat("calm", "poweroff"), "b": flat("calm", "poweroff"), "bad": flat("hostile", "poweroff")}
        run = context.boot(config(vms, mitigation=mode), dict(guest_file("calm"), **guest_file("hostile")), smp=smp,
                           timeout=200)
        for vm, name in (("a", "calm"), ("b", "calm"), ("bad", "hostile")):
            run.expect_guest(name, vm)
            run.expect_vm(vm, "poweroff")
        run.expect_end(0)
        return run
    return test


def apic_shared_core(hypervisor):
    """Interrupts in service and in wait outlive the turns of another VM, which has its own of both."""
    def test(context):
        words = "shared poweroff" + (" software" if hypervisor else "")
        vms = {"a": flat("apic", words), "b": flat("apic", words)}
        run = context.boot(config(vms, **hypervisor), guest_file("apic"), timeout=200)
        need(run.one("boot")["apicv"] != bool(hypervisor), "the boot record says %s" % run.one("boot"))
        run.expect_all_well(vms, "apic")
    return test


def clock_shared_core(hypervisor):
    """A deadline waits for another VM's turn, and for no more than that."""
    def test(context):
        vms = {"a": flat("clock", "shared poweroff"), "b": flat("clock", "shared poweroff")}
        run = context.boot(config(vms, **hypervisor), guest_file("clock"), timeout=200)
        run.expect_all_well(vms, "clock")
        need(max(r["value"] for r in run.of_type("bench")) > 100000, "the VMs did not take turns")
    return test


def audits(mode, smp, cpus, lazy=False):
    """VMs, more than there are cores, that ask for the audit of all maps while they take turns."""
    def test(context):
        more = {"memory_mode": "lazy"} if lazy else {}
        vms = {name: flat("audit", "poweroff", **more) for name in (("a", "b", "c") if cpus > 1 else ("a",))}
        run = context.boot(config(vms, mitigation=mode), guest_file("audit"), smp=smp)
        found = run.expect_audits(cpus)
        for name in vms:
            run.expect_guest("audit", name)
            run.expect_vm(name, "poweroff")
        need(len(found) == 1 + 6 * len(vms), "%d audits" % len(found))
        size = found[0]["bytes"]
        need(size["guest_ram"] == (0 if lazy else len(vms) * 32 << 20), "guest_ram is %d at boot" % size["guest_ram"])
        # The private page's and the stacks' frames, and each CPU has its own.
        need(size["cpu_local"] % cpus == 0 and size["cpu_local"] >= cpus * 40960, "cpu_local is %d" % size["cpu_local"])
        need(size["text"] and size["rodata"] and size["data_global"] and size["vm_private"], "bytes: %s" % size)
        run.expect_errors()
        run.expect_end(0)
        return run
    return test


def register(suite):
    for mode in ("off", "always-flush", "cond-flush", "asi", "asi+stun"):
        suite.add("audit-" + mode, audits(mode, "1:1:1", 1))
    suite.add("audit-lazy", recorded(audits("asi", "1:1:1", 1, lazy=True)))
    suite.add("audit-many", audits("asi+stun", TWO_CORES, 4), 8)
    suite.add("audit-many-lazy", audits("asi+stun", TWO_CORES, 4, lazy=True), 8)
    suite.add("audit-many-off", audits("off", TWO_CORES, 4), 8)
    suite.add("audit-together", guest("together", "audit", vm={"vcpus": 2}, smp="1:2:1"))
    for name in ("cpuid", "msr", "cr", "io", "mmio", "interrupts", "exceptions", "steps", "instructions", "vmcall", "apic",
                 "rights"):
        suite.add("guest-" + name, guest(name))
    # The same rules where the hypervisor serves the local APIC.
    for name in ("msr", "interrupts", "apic", "steps"):
        suite.add("guest-%s-software" % name, guest(name, "software", {"apicv": "off"}))
    for label, more in (("", {}), ("-software", {"apicv": "off"})):
        suite.add("apic-shared-core" + label, apic_shared_core(more), 8)
        suite.add("clock" + label, guest("clock", "", dict(more), {"vcpus": 2}, smp="1:2:1"))
        suite.add("clock-moves" + label, guest("clock", "moves", dict(more, mitigation="asi+stun"),
                                               {"vcpus": 2, "set_policy": "on"}, smp=ONE_CORE), 8)
        suite.add("clock-shared-core" + label, clock_shared_core(more), 8)
        for smp, count in ((ONE_CORE, 2), ("1:4:2", 8)):
            suite.add("guest-crowd-%d%s" % (count, label), guest("crowd", "vcpus-%d" % count, dict(more, mitigation="asi+stun"),
                                                                {"vcpus": count}, smp=smp), 10)
        for mode in ("off", "always-flush+stun"):
            suite.add("guest-crowd-%s%s" % (mode, label), guest("crowd", "vcpus-4", dict(more, mitigation=mode), {"vcpus": 4},
                                                               smp=TWO_CORES), 10)
    suite.add("guest-smp-8-software", guest("smp", "vcpus-8", {"mitigation": "asi+stun", "apicv": "off"}, {"vcpus": 8},
                                            smp="1:4:2"))
    suite.add("guest-vmcall-no-debug", guest("vmcall", "no-debug", {"debug_hypercalls": "off"}))
    suite.add("guest-vmcall-no-end", guest("vmcall", "no-end poweroff", vm={"end_run": "off"}))
    suite.add("guest-vmcall-user", user_hypercalls)
    suite.add("guest-vmcall-user-policy", user_policy)
    suite.add("held-off", held_off("cpuid", "msr", "cr", "io", "mmio", "interrupts", "exceptions", "instructions", "rights", "ept"), 20)
    suite.add("guest-ept-eager", guest("ept"))
    suite.add("guest-ept-lazy", guest("ept", "lazy", vm={"memory_mode": "lazy"}))
    suite.add("guest-ept-lazy-64m", guest("ept", "lazy memory-64", vm={"memory_mode": "lazy", "memory": "64M"}))
    suite.add("guest-exceptions-lazy", guest("exceptions", "lazy", vm={"memory_mode": "lazy"}))
    suite.add("guest-timer-deadline", guest("timer", "", {"timer": "deadline"}))
    suite.add("guest-timer-preemption", guest("timer", "preemption", {"timer": "preemption"}))
    for timer in ("deadline", "preemption"):
        suite.add("guest-naps-" + timer, guest("napper", "", {"timer": timer}))
        for smp, label in ((ONE_CORE, "threads"), (TWO_CORES, "cores")):
            suite.add("guest-naps-%s-%s" % (timer, label),
                      guest("napper", "two", {"timer": timer, "mitigation": "asi+stun"}, {"vcpus": 2}, smp=smp, timeout=60), 10)
    for model, label in ((ICELAKE, "icelake"), (HASWELL, "haswell"), (ARRANDALE, "arrandale")):
        for name in ("cpuid", "msr", "cr", "instructions", "interrupts", "mmio", "apic"):
            suite.add("guest-%s-%s" % (name, label), guest(name, "software" if model == ARRANDALE else "", model=model))
        words = "preemption software" if model == ARRANDALE else ""
        suite.add("guest-timer-%s" % label, guest("timer", words, model=model))
    for feature in ("pcid", "x2apic", "smep", "invpcid"):
        for name in ("cr", "timer"):
            suite.add("guest-%s-without-%s" % (name, feature), guest(name, exclude_features=feature))

    suite.add("sensitive-software-flush", recorded(sensitive("l1d_flush_software")))
    suite.add("sensitive-msr-flush", sensitive("l1d_flush_msr", "msr", {"paranoid": "on"}, model=ICELAKE))
    suite.add("sensitive-no-flush-needed", sensitive(None, "no-flush", model=ICELAKE))
    suite.add("sensitive-stun", recorded(sensitive("l1d_flush_software", "", {"mitigation": "asi+stun"}, cpus=2,
                                                   smp=ONE_CORE)))
    suite.add("policy-off", policy("off", False))
    suite.add("policy-always-flush", policy("always-flush", True))
    suite.add("policy-cond-flush", cond_flush)
    suite.add("policy-hardened", hardened("cond-flush"))
    suite.add("policy-hardened-swap", hardened("always-flush", paranoid="on"))

    suite.add("stop-hlt", stop("hlt", "halted with interrupts off"))
    suite.add("stop-triple-fault", stop("triple", "triple fault"))
    suite.add("stop-execute-nowhere", stop("execute", "executes code where there is no memory"))
    suite.add("stop-page-tables-nowhere", stop("tables", "page tables lie where there is no memory"))
    suite.add("stop-task-switch", stop("task", "task switch"))
    suite.add("stop-undecodable", stop("undecodable", "cannot decode"))
    suite.add("stop-stack-nowhere", stop("stack", "triple fault"))
    suite.add("stop-stack-device", stop("stack-device", "delivery touches device memory"))
    suite.add("debug-storm", debug_storm, cost=5)
    suite.add("debug-storm-shared", debug_storm_shared, cost=5)
    suite.add("power-off", poweroff)
    for way in ("acpi", "keyboard", "pci"):
        suite.add("power-reset-" + way, reset("reset-" + way), cost=5)
    suite.add("restart-scrubs-memory", restart_scrub(), cost=6)
    suite.add("restart-scrubs-memory-lazy", restart_scrub(memory_mode="lazy"), cost=6)
    suite.add("restart-not-scrubbed-caught", restart_not_scrubbed, cost=15)
    suite.add("end-status-0", end_status("end-0", 0))
    suite.add("forged-records", forge(()))
    suite.add("forged-records-beside-others", forge(("good",)))
    suite.add("end-status-7", end_status("end-7", 7))
    suite.add("hostile-asi", hostile("asi"), cost=8)
    suite.add("hostile-asi-lazy", hostile("asi", lazy=True), cost=8)
    suite.add("hostile-off", hostile("off"), cost=8)
    suite.add("hostile-always-flush", hostile("always-flush"), cost=20)
    for smp, count in ((ONE_CORE, 2), (TWO_CORES, 4), ("1:4:2", 8)):
        suite.add("guest-smp-%d" % count, recorded(guest("smp", "vcpus-%d" % count, {"mitigation": "asi+stun"},
                                                         {"vcpus": count}, smp=smp)))
    suite.add("guest-calm", recorded(guest("calm")))
    suite.add("guest-calm-stun", recorded(guest("calm", "", {"mitigation": "asi+stun"}, smp=ONE_CORE)))
    for mode in ("off", "always-flush", "always-flush+stun", "cond-flush", "asi"):
        suite.add("guest-smp-%s" % mode, guest("smp", "vcpus-2", {"mitigation": mode}, {"vcpus": 2}, smp=ONE_CORE))
    suite.add("stun", stun)
    suite.add("stun-not-asked-for", guest("stun", "no-stun", {"mitigation": "asi"}, {"vcpus": 2}, smp=ONE_CORE))
    suite.add("shared-core", shared_core("1:1:1"))
    suite.add("shared-core-threads", recorded(shared_core(ONE_CORE)))
    suite.add("shared-core-always-flush-stun", shared_core(ONE_CORE, "always-flush+stun"))
    suite.add("policies", policies(ONE_CORE))
    suite.add("policies-more-cores", policies(TWO_CORES))
    suite.add("policies-beside-others", policies_beside)
    suite.add("monitor", monitor, 10)
    suite.add("monitor-outlives-console-vm", monitor_outlives, 10)
    suite.add("smt-off-two-on-a-thread", smt_off, 20)
    suite.add("policies-forbidden", guest("policies", "forbidden", {"mitigation": "asi+stun"}))
