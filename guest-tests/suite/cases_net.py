# SPDX-License-Identifier: MIT
"""Networks between VMs: bare-metal guests at full rate, storms, hostile rings, receivers that go away; Linux guests."""

import os
import re

from .cases_linux import EXPECTED_WARNINGS, FILES
from .escalations import recorded
from .harness import ROOT, Skip, config, flat, guest_file, need

TWO_CORES, ONE_CORE, SHARED = "1:2:1", "1:1:2", "1:1:1"
# Escalations a frame, both VMs' together.
BAR = 0.05
# Instructions, with the flush on the way back.
HELD_OFF = 15000


def card(number, network="lan0"):
    return "%s,mac=52:54:00:00:00:%02x" % (network, number)


def member(number, words, network="lan0", **more):
    return flat("net", words + " poweroff", net=card(number, network), **more)


def escalations(run, *vms):
    return sum(r["count"] for vm in vms for r in run.of_type("escalation", vm=vm, cause="network"))


def net(run, vm):
    return run.of_type("stats", vm=vm)[-1]["net"]


def boot(context, vms, hypervisor=None, **options):
    return context.boot(config(vms, **(hypervisor or {})), guest_file("net"), **options)


def pair(words="", receiver="", count=10000, hypervisor=None, vm=None, **options):
    """One VM sends checked packets as fast as it can, the other one takes them in order; none is lost."""
    def test(context):
        text = " count=%d window=256 " % count
        run = boot(context, {"one": member(1, "send" + text + words, **(vm or {})),
                             "two": member(2, "receive" + text + receiver, **(vm or {}))}, hypervisor, **options)
        for name in ("one", "two"):
            run.expect_guest("net", name)
            run.expect_vm(name, "poweroff")
            need(net(run, name)["lost"] == 0 and net(run, name)["refused"] == 0, "%s: %s" % (name, net(run, name)))
        run.expect_errors()
        run.expect_end(0)
        sent = net(run, "one")["sent"] + net(run, "two")["sent"]
        need(net(run, "one")["sent"] == count == net(run, "two")["received"], "not every frame was counted")
        rate = escalations(run, "one", "two") / sent
        context.remark = "%.4f escalations a frame" % rate
        need(rate <= BAR, "%.4f escalations a frame, at most %.2f are allowed" % (rate, BAR))
        return run
    return test


def storm(context):
    """Two VMs flood a network with broadcasts, a third takes none; a pair on another network works on, and hears nothing."""
    vms = {"storm1": member(4, "storm count=10000"), "storm2": member(5, "storm count=10000"),
           "deaf": member(6, "deaf naps=100"),
           "one": member(1, "send count=3000 window=256", "lan1"), "two": member(2, "receive count=3000", "lan1")}
    path = os.path.join(context.dir, "longest.txt")
    run = boot(context, vms, smp=TWO_CORES, longest=path)
    longest = context.held_off(path)
    need(longest <= HELD_OFF, "interrupts were held off for %d instructions, at most %d are allowed" % (longest, HELD_OFF))
    context.remark = "interrupts held off for %d instructions at most" % longest
    for name in vms:
        run.expect_guest("net", name)
    run.expect_errors()
    run.expect_end(0)
    for name in ("storm1", "storm2"):
        rate = escalations(run, name) / net(run, name)["sent"]
        need(net(run, name)["sent"] == 10000, "%s: %s" % (name, net(run, name)))
        need(rate <= BAR, "%s: %.4f escalations a frame" % (name, rate))
    deaf = net(run, "deaf")
    need(deaf["received"] + deaf["lost"] == 20000 and deaf["lost"] > 10000, "the deaf one: %s" % deaf)
    need(net(run, "one")["received"] < 3000 and net(run, "two")["received"] == 3000 and net(run, "two")["lost"] == 0,
         "the other network: %s, %s" % (net(run, "one"), net(run, "two")))


def cards(context):
    """Both ends in one VM: headers, checksums, merged buffers."""
    run = boot(context, {"t": flat("net", "cards", net=card(1) + ", " + card(2))})
    run.expect_guest("net")
    run.expect_errors()
    run.expect_end(0)
    need(net(run, "t")["refused"] == 8 and net(run, "t")["lost"] == 2, "the counters say %s" % net(run, "t"))
    return run


def hostile(context):
    """A driver that breaks every rule, beside a pair on the same network that must not notice."""
    vms = {"bad": flat("net", "hostile poweroff", net=card(7) + ", " + card(8)),
           "one": member(1, "send count=3000 window=256"), "two": member(2, "receive count=3000")}
    run = boot(context, vms, smp=TWO_CORES)
    for name in vms:
        run.expect_guest("net", name)
        run.expect_vm(name, "poweroff")
    run.expect_errors(r"\[vm bad\] virtio-net waits for a reset")
    run.expect_end(0)


def fickle(word):
    """The receiver starts anew again and again, or is stopped, under frames that never pause."""
    def test(context):
        one = member(1, "blast count=20000")
        if not word:  # a receiver that starts again waits for ever: the sender ends the run
            one["cmdline"] = "blast count=20000"
        run = boot(context, {"one": one, "two": member(2, "fickle " + word)}, smp=TWO_CORES)
        run.expect_guest("net", "one")
        need(not run.failures_of("two"), "the receiver complains: %s" % run.failures_of("two"))
        need(net(run, "one")["sent"] == 20000, "the sender: %s" % net(run, "one"))
        if word:
            run.expect_vm("two", "stopped", "halted")
            run.expect_errors(r"\[vm two\] is stopped: halted")
            run.expect_end(1)
        else:
            reboots = len(run.of_type("vm", vm="two", state="reboot"))
            need(reboots >= 2, "the receiver started %d times" % reboots)
            run.expect_errors()
            run.expect_end(0)
    return test


def linux_pair(context, words="", hypervisor=None, **options):
    """Two Linux guests, alpha calls beta and gives it something: what each says, and the run."""
    for path in FILES.values():
        if not os.path.exists(path):
            raise Skip("%s is not there: run make setup" % os.path.relpath(path, ROOT))
    common = {"kernel": "vmlinuz", "initrd": "initrd.img", "memory": "256M", "net": "lan0"}
    cmdline = "console=ttyS0 quiet cloister.auto cloister.ip=10.0.0.%d/24 " + words
    vms = {"alpha": dict(common, cmdline=cmdline % 1 + " cloister.peer=10.0.0.2"), "beta": dict(common, cmdline=cmdline % 2)}
    run = context.boot(config(vms, **(hypervisor or {})), FILES, timeout=1800, **options)
    lines = {name: "\n".join(run.guest_lines(name)) for name in vms}
    need("3 packets transmitted, 3 packets received, 0% packet loss" in lines["alpha"], "alpha cannot call beta")
    for name in vms:
        warnings = lines[name].partition("# dmesg, warnings and errors")[2].partition("# end of session")[0]
        found = [line for line in warnings.splitlines()
                 if line.strip() and not any(re.search(e, line) for e in EXPECTED_WARNINGS)]
        need("# end of session" in lines[name] and not found, "%s: dmesg has warnings: %s" % (name, found[:4]))
        run.expect_vm(name, "poweroff")
        need(net(run, name)["refused"] == 0, "%s: %s" % (name, net(run, name)))
    run.expect_errors()
    run.expect_end(0)
    return run, lines


def packet_rate(run):
    return escalations(run, "alpha", "beta") / sum(net(run, name)["packets"] for name in ("alpha", "beta"))


def linux(**options):
    """Two Linux guests: one calls the other and sends it a file, which arrives as it was."""
    def test(context):
        run, lines = linux_pair(context, **options)
        sums = {name: re.findall(r"^([0-9a-f]{64})  /tmp/file", lines[name], re.M) for name in lines}
        need(len(sums["alpha"]) == 1 and sums["alpha"] == sums["beta"], "the file did not arrive as it was: %s" % sums)
        need(net(run, "alpha")["packets"] > 700, "alpha sent only %s" % net(run, "alpha"))
        context.remark = "%.2f escalations a packet" % packet_rate(run)
    return test


LOAD = 32 << 10  # KiB


def linux_load(**options):
    """The same as fast as TCP lets it: escalations for each packet that a wire would carry."""
    def test(context):
        run, lines = linux_pair(context, "cloister.load=%d" % LOAD, **options)
        for name in lines:
            need("load: 0" in lines[name], "%s: not all data arrived" % name)
        alpha = net(run, "alpha")
        need(alpha["packets"] * 1460 > LOAD * 1024 > 10 * 1460 * alpha["sent"], "no large frames: %s" % alpha)
        rate = packet_rate(run)
        context.remark = "%.4f escalations a packet, %d a MiB" % (rate, escalations(run, *lines) / (LOAD >> 10))
        need(rate <= BAR, "%.4f escalations a packet, at most %.2f are allowed" % (rate, BAR))
    return test


def register(suite):
    suite.add("net-pair-two-cores", recorded(pair(smp=TWO_CORES)), 10)
    suite.add("net-pair-shared-core", recorded(pair(smp=SHARED)), 12)
    suite.add("net-pair-halting", pair("halt", "halt", smp=SHARED), 12)
    suite.add("net-pair-threads", pair(smp=ONE_CORE, quantum=1, hypervisor={"mitigation": "asi+stun"}), 25)
    suite.add("net-pair-plain", pair("plain", "plain", smp=TWO_CORES), 10)
    suite.add("net-pair-checksums", pair("csum", "guest-csum", smp=TWO_CORES), 10)
    suite.add("net-pair-checksums-completed", pair("csum", smp=TWO_CORES), 10)
    suite.add("net-pair-small", pair("small", "small", smp=TWO_CORES), 10)
    suite.add("net-pair-always-flush", pair(smp=TWO_CORES, hypervisor={"mitigation": "always-flush"}), 10)
    suite.add("net-pair-preemption-timer", pair(smp=TWO_CORES, hypervisor={"timer": "preemption"}), 10)
    suite.add("net-cards", recorded(cards), 5)
    suite.add("net-storm", storm, 30)
    suite.add("net-hostile", hostile, 15)
    suite.add("net-receiver-reboots", fickle(""), 15)
    suite.add("net-receiver-stops", fickle("stops"), 10)
    suite.add("linux-net-shared-core", linux(), 90)
    suite.add("linux-load-shared-core", linux_load(), 90, wide=True)
    suite.add("linux-load-threads", linux_load(smp=ONE_CORE, hypervisor={"mitigation": "asi+stun"}), 300, wide=True)
    suite.add("linux-load-two-cores", linux_load(smp=TWO_CORES), 300, wide=True)
