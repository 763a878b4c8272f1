# SPDX-License-Identifier: MIT
"""Transitions under fire (docs/CHECKS.md): NMIs at every instruction boundary between a VM exit and the next entry."""

import os
import threading

from . import fire
from .cases_oracle import tool
from .harness import BUILD, Failure, build, config, flat, guest_file, need

# The way out, the way to full and back, the gate, and the way in, with what they call.
PROTOCOL = {"vmx_exit_entry", "vmx_launch", "vmx_exit", "vmx_do_work", "exception_common", "exception_handle", "asi_handle_fault",
            "asi_exit", "asi_enter", "asi_rest", "asi_wake", "leave", "full_maps", "stun_hold", "stun_release", "stun_wait",
            "vmx_wait_at_gate", "stun_left_guest", "flush_core", "flush_predictor", "rsb_fill", "interrupts_wait"}
# Of these every boundary has to be hit. Of all others chance may leave some out, where it seldom comes by: the instructions of a
# loop that is hardly ever entered are missed together, and count as one place.
WHOLE = {"vmx_exit_entry", "vmx_launch", "vmx_wait_at_gate", "asi_exit", "asi_enter", "stun_wait", "stun_release"}
MISSED_AT_MOST, LEAST = 0.004, 300
AIMED = 30  # rounds that execute everything
# Here CR3 is written, so here alone it may differ from what the CPU says of itself; the last one does both behind each other.
SWITCHES = {"leave", "asi_exit", "asi_handle_fault", "asi_enter", "asi_rest", "flush_core", "fill_l1d", "vm_set_window"}
RESTRICTED_ONLY = {"vmx_exit_entry", "vmx_launch", "vmx_wait_at_gate", "stun_wait"}
# What executes where no NMI can come: from an NMI exit to its IRET, and in the handler of one.
BLOCKED = {"interrupt_unblock_nmi", "interrupt_handle_nmi", "nmi_common", "fire_hit"}

FIRED = {"mitigation": "asi+stun"}
ONE_CORE, TWO_CORES = "1:1:2", "1:2:2"
lock = threading.Lock()


def build_of(defect=None):
    """The test build, one for all tests that want the same."""
    folder = os.path.join(BUILD, "test", "fire-build" + ("-" + defect if defect else ""))
    with lock:
        if not build(["hypervisor"], folder, ["FIRE=1"] + (["BREAK=" + defect] if defect else [])):
            raise Failure("the build fails")
    return folder


def vm(rounds, words="two poweroff", **more):
    return flat("fire", "%s rounds=%d" % (words, rounds), memory="16M", vcpus=2, cpus="0-1", **more)


def fired(context, vms, folder, smp=TWO_CORES, **more):
    return context.boot(config(vms, **FIRED), guest_file("fire"), smp=smp, mem=128, build=folder, **more)


def nothing_lost(run, shots):
    """Every NMI was taken, once."""
    for one in run.of_type("fire")[:2]:
        need(one["sent"] >= shots, "only %d NMIs were sent to CPU %d" % (one["sent"], one["cpu"]))
        need(one["lost"] == 0, "%d NMIs were never taken: %s" % (one["lost"], one))
        need(0 <= one["taken"] - one["sent"] <= one["seconds"], "sent and taken do not agree: %s" % one)


def survived(run, text, folder):
    """The guests' checks hold; the siblings were held whenever an NMI hit full; no register of a guest's stayed behind. What was
    hit in each map."""
    run.expect_guest("fire", "a")
    run.expect_guest("fire", "b")
    run.expect_errors()
    run.expect_end(0)
    records = run.of_type("fire")
    need([one["cpu"] for one in records[:2]] == [0, 1], "not both CPUs with guests were hit: %s" % records)
    for one in records:
        need(one["outside"] == 0, "where no code of Cloister's is: %s" % one)
        need(one["open"] == 0, "in full beside an open gate: %s" % one)
        need(one["elsewhere"] == 0, "in a map that is neither: %s" % one)
        need(one["left"] == 0 and one["left_idle"] == 0, "registers of a guest's on the CPU's own stacks: %s" % one)
    found = dict({"full": set(), "between": set()}, **fire.hits(run.of_type("fire-hits"), fire.text_range(folder)[0]))
    in_right_map(text, found)
    return found["restricted"] | found["full"]


def covered(context, text, hit, traced):
    """Every boundary that is executed was hit, but for those where the processor takes no NMI, and in the emulator few more."""
    need(hit <= set(text.code), "an NMI hit what is no instruction")
    protocol = {at for at in hit if text.function(at) in PROTOCOL}
    wanted = {at for at in traced if at in text.code} | text.straight(protocol)
    shielded = {at for at in wanted & text.shielded() if at not in hit}
    blocked = {at for at in wanted if text.function(at) in BLOCKED and at not in hit}
    missed = wanted - hit - shielded - blocked
    for name, which in (("shielded", shielded), ("blocked", blocked), ("missed", missed)):
        for at in sorted(which):
            context.note("%s: %s" % (name, text.say(at)))
    context.remark = "%d of %d boundaries; %d missed, %d behind STI, %d with NMIs blocked" % (
        len(wanted & hit), len(wanted), len(missed), len(shielded), len(blocked))
    context.note(context.remark)
    for at in sorted(missed):
        need(text.function(at) not in WHOLE, "not hit: " + text.say(at))
    need(len(wanted) > LEAST, "only %d instructions are known to be executed" % len(wanted))
    follows = dict(zip(sorted(text.code), sorted(text.code)[1:]))
    places = len(missed) - sum(follows.get(at) in missed for at in missed)
    need(places <= MISSED_AT_MOST * len(wanted), "%s, in %d places" % (context.remark, places))


def blind(context):
    """The comparison finds a hole: hits without those of one function that is executed."""
    folder = build_of()
    text = fire.Text(os.path.join(folder, "cloister.elf"))
    everything = {at for at in text.code if text.function(at) in PROTOCOL}
    try:
        covered(context, text, {at for at in everything if text.function(at) != "asi_enter"}, everything)
    except Failure as reason:
        need("asi_enter" in str(reason), "it complains of something else: %s" % reason)
        context.remark = ""
        return
    raise Failure("a function that no NMI hit is not noticed")


def in_right_map(text, found):
    for at in found["between"]:
        need(text.function(at) in SWITCHES, "CR3 is not what the CPU says it is at " + text.say(at))
    for at in found["full"]:
        need(text.function(at) not in RESTRICTED_ONLY, "the full map at " + text.say(at))


def every_boundary(together, alone, shots, ticks):
    """By another CPU at any time, then by the emulator wherever a CPU comes (tools/bochs-correct)."""
    def test(context):
        folder = build_of()
        text = fire.Text(os.path.join(folder, "cloister.elf"))
        # Two that take turns, when most NMIs hit the way from one to the other, and then one that has the core for itself. Each
        # CPU executes one instruction in its turn.
        run = fired(context, {"a": vm(together), "b": vm(together + alone)}, folder, quantum=1)
        hit = survived(run, text, folder)
        nothing_lost(run, shots)
        need(any(text.function(at) == "interrupt_unblock_nmi" for at in hit), "NMIs stay blocked behind an NMI exit")
        run = fired(context, {"a": vm(AIMED), "b": vm(2 * AIMED)}, folder, smp=ONE_CORE, quantum=1, nmi=fire.text_range(folder))
        hit |= survived(run, text, folder)
        traced = fire.executed(context, config({"t": vm(2000)}, **FIRED), guest_file("fire"), folder, "ok the sibling starts", 1,
                               ticks, ONE_CORE)
        covered(context, text, hit, traced)
    return test


def touched(context):
    """A handler that touches sensitive data, in restricted: a report, not a triple fault."""
    run = fired(context, {"t": vm(10)}, build_of("nmi_touches"), panic=True)
    need(len(run.of_type("panic")) == 1 and run.of_type("panic")[0]["site"].startswith("fire_hit"), "no panic in the handler")


def clobbered(context):
    run = fired(context, {"t": vm(30)}, build_of("nmi_clobbers"))
    need(any("CR2 survives" in line for line in run.failures_of()), "nobody notices that CR2 changes")


def left(context):
    run = fired(context, {"t": vm(30)}, build_of("nmi_leaves"))
    need(sum(one["left"] for one in run.of_type("fire")) > 0, "nothing is found on the NMIs' stack")


def oracle(context):
    status, result = tool(context, "oracle", "--mitigation", "asi+stun", "--guest", "fire", "--words", "two rounds=1000", "--smp",
                          TWO_CORES, "--vcpus", "2", "--instructions", "100000", "--model", "corei7_icelake_u", "--paranoid",
                          "--build", build_of())
    need(result["count"]["entries"] > 20 and result["count"]["flushes"] > 0, "too little was traced: %s" % result["count"])
    need(status == 0 and not result["findings"], "found: %s" % result["findings"][:3])


def register(suite):
    suite.add("fire-every-boundary", every_boundary(100, 250, 20000, 1200000), 45)
    suite.add("fire-hole-caught", blind, 10)
    suite.add("fire-oracle", oracle, 25)
    suite.add("fire-nmi-touches-caught", touched, 15)
    suite.add("fire-nmi-clobbers-caught", clobbered, 15)
    suite.add("fire-nmi-leaves-caught", left, 15)
