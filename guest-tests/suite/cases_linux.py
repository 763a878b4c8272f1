# SPDX-License-Identifier: MIT
"""Debian's own kernel, driven through its console as a person would."""

import json
import os
import re

from .cases_guests import HASWELL, ICELAKE
from .escalations import recorded
from .harness import BUILD, ROOT, Skip, config, guest_file, need, flat

FILES = {name: os.path.join(BUILD, "linux", name) for name in ("vmlinuz", "initrd.img")}
# The markers are spelt in two parts, so that the echo of the command is not taken for its output. The last line has to be
# over: the echo of what is sent next would end up in it.
PRINT = "send echo A''-%s; %s; echo Z''-%s\nexpect Z-%s\\r?\\n 180s\n"
LOGIN = "expect login: %ds\nsend root\nexpect # 120s\n"
SECTIONS = {
    "uname": "uname -a",
    "cpuinfo": "cat /proc/cpuinfo",
    "warnings": "dmesg -r | grep '^<[0-4]>'",
    "interrupts": "cat /proc/interrupts",
    "clock": "cat /sys/devices/system/clocksource/clocksource0/current_clocksource",
    "hypervisor": "dmesg | grep -i hypervisor",
    "work": "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); ls /proc > /dev/null; done; sleep 1; date",
}
# What the kernel says of this processor on bare metal too: its faults, not ours.
EXPECTED_WARNINGS = (
    r"RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable",
    r"MDS CPU bug present and SMT on",
    r"(MDS|TAA|MMIO Stale Data|L1TF|RETBleed|Spectre V2|SRBDS|GDS|RFDS|ITS|TSA|VMSCAPE)\s*:",
    r"See https://www.kernel.org/doc/html/latest/admin-guide/hw-vuln",
)


def session(sections, boot_seconds=400):
    lines = LOGIN % boot_seconds
    for name in sections:
        lines += PRINT % (name, SECTIONS[name], name, name)
    return lines


def section(run, name, command=None):
    match = re.search(r"^A-%s\n(.*?)^Z-%s$" % (name, name), run.text, re.S | re.M)
    need(match, "the output of %r is not on the console" % (command or SECTIONS.get(name, name)))
    return match.group(1)


def unexpected_warnings(text):
    return [line for line in text.splitlines() if line.strip() and not any(re.search(e, line) for e in EXPECTED_WARNINGS)]


def boot(context, script, hypervisor=None, vm=None, files=None, **options):
    """@files {name: path or bytes} stand for, or beside, those of the demonstration."""
    files = dict(FILES, **(files or {}))
    for path in files.values():
        if isinstance(path, str) and not os.path.exists(path):
            raise Skip("%s is not there: run make setup" % os.path.relpath(path, ROOT))
    keys = dict({"kernel": "vmlinuz", "initrd": "initrd.img", "cmdline": "console=ttyS0 quiet", "memory": "256M"},
                **(vm or {}))
    options.setdefault("timeout", 600)
    return context.boot(config({"linux": keys}, **(hypervisor or {})), files, script=script, **options)


def check_restricted(run, *asked_for):
    """@asked_for: causes of escalations by what its programs asked for."""
    stats = run.one("stats", vm="linux")
    # A CPU with iTLB multihit: one for each 2 MiB that Linux executes from, 16 or 17 in a boot.
    splits = sum(r["count"] for r in run.of_type("escalation") if r["cause"] == "split")
    need(splits <= 24, "%d large pages were split" % splits)
    share = 100.0 * (stats["restricted"] + splits) / stats["total"]
    need(share >= 99.5, "only %.2f %% of %d exits stayed restricted" % (share, stats["total"]))
    need(stats["total"] > 5000, "only %d exits in a whole Linux boot" % stats["total"])
    # always-flush has one an exit.
    flushes = max(0, stats["l1d_flush_msr"] + stats["l1d_flush_software"] - splits)
    need(flushes * 200 <= stats["total"], "%d L1D flushes in %d exits" % (flushes, stats["total"]))
    # Leaving the VM is the only thing that may need the full map after its start.
    for record in run.of_type("escalation"):
        need(record["cause"] in ("vm-state", "populate", "split") + asked_for, "Linux caused the escalation %s" % record)


def full_session(**options):
    def test(context):
        run = boot(context, session(SECTIONS) + "send poweroff -f\n", **options)
        run.expect_vm("linux", "poweroff")
        run.expect_errors()
        run.expect_end(0)
        need("x86_64 GNU/Linux" in section(run, "uname"), "uname says %r" % section(run, "uname"))
        cpuinfo = section(run, "cpuinfo")
        need(cpuinfo.count("processor\t") == 1, "/proc/cpuinfo has not one processor")
        flags = re.search(r"flags\s*: (.*)", cpuinfo).group(1).split()
        for flag in ("hypervisor", "x2apic", "tsc_deadline_timer", "nx", "lm", "constant_tsc", "nonstop_tsc"):
            need(flag in flags, "/proc/cpuinfo lacks %s" % flag)
        for flag in ("vmx", "monitor", "smx"):
            need(flag not in flags, "/proc/cpuinfo shows %s" % flag)
        warnings = unexpected_warnings(section(run, "warnings"))
        need(not warnings, "dmesg has %d warnings: %s" % (len(warnings), warnings[:4]))
        interrupts = section(run, "interrupts")
        for line in (r"^\s*\d+:\s+[1-9]\d*\s+IO-APIC\s.*ttyS0", r"^\s*LOC:\s+\d{2,}"):
            need(re.search(line, interrupts, re.M), "/proc/interrupts has no line like %s" % line)
        for name in ("ERR", "MIS", "SPU", "MCE"):
            count = re.search(r"^\s*%s:\s+(\d+)" % name, interrupts, re.M)
            need(not count or count.group(1) == "0", "/proc/interrupts counts %s" % (count and count.group(0)))
        need(section(run, "clock").strip() == "tsc", "the clock source is %r" % section(run, "clock").strip())
        check_restricted(run)
        return run
    return test


def short_session(**options):
    """To the shell and off again."""
    def test(context):
        run = boot(context, session(["uname", "work"]) + "send poweroff -f\n", **options)
        run.expect_vm("linux", "poweroff")
        run.expect_errors()
        run.expect_end(0)
        return run
    return test


def restricted(**options):
    def test(context):
        check_restricted(short_session(**options)(context))
    return test


def reboot(context):
    """Reboots from the shell, comes up again, powers off."""
    script = session(["uname"]) + "send reboot -f\n" + session(["uname"]) + "send poweroff -f\n"
    run = boot(context, script, timeout=900)
    need(len(run.of_type("vm", vm="linux", state="reboot")) == 1, "not one reboot")
    need(len(run.of_type("vm", vm="linux", state="running")) == 2, "not two starts")
    run.expect_vm("linux", "poweroff")
    run.expect_errors()
    run.expect_end(0)


def beside_hostile(context):
    """Linux and a guest that misbehaves take turns on one core."""
    for path in FILES.values():
        if not os.path.exists(path):
            raise Skip("%s is not there: run make setup" % os.path.relpath(path, ROOT))
    linux = {"kernel": "vmlinuz", "initrd": "initrd.img", "cmdline": "console=ttyS0 quiet cloister.auto",
             "memory": "256M"}
    conf = config({"linux": linux, "bad": flat("hostile", "poweroff")})
    run = context.boot(conf, dict(FILES, **guest_file("hostile")), timeout=900)
    run.expect_guest("hostile", "bad")
    run.expect_vm("linux", "poweroff")
    run.expect_vm("bad", "poweroff")
    run.expect_end(0)


def smp_stunned(context):
    """Two vCPUs on the two threads of a core, siblings stunned: next to nothing needs it, nothing is flushed."""
    run = boot(context, session(SECTIONS) + "send nproc; echo N''N\nexpect 2\\s+NN 60s\nsend poweroff -f\n",
               {"mitigation": "asi+stun"}, {"vcpus": 2}, smp="1:1:2")
    run.expect_vm("linux", "poweroff")
    run.expect_errors()
    run.expect_end(0)
    need(section(run, "cpuinfo").count("processor\t") == 2, "/proc/cpuinfo has not two processors")
    for line in (r"^\s*LOC:\s+\d{2,}\s+\d{2,}", r"^\s*RES:\s+[1-9]\d*\s+[1-9]\d*"):
        need(re.search(line, section(run, "interrupts"), re.M), "/proc/interrupts has no line like %s" % line)
    need(section(run, "clock").strip() == "tsc", "the clock source is %r" % section(run, "clock").strip())
    check_restricted(run)
    stats = run.one("stats", vm="linux")
    flushes = stats["l1d_flush_software"]
    # Under always-flush each of these exits is followed by one.
    need(stats["total"] >= 200 * flushes, "%d flushes for %d exits" % (flushes, stats["total"]))
    return run


COMMANDS = {
    "version": "cloister version",
    "stats": "cloister stats",
    "json": "cloister stats --json",
    "policy": "cloister policy; cloister policy off; echo status $?",
    "mark": "cloister mark from-linux 4711; echo status $?; cloister mark too-many-characters-for-one-label- 1; echo status $?",
}


def command_session(names):
    return LOGIN % 400 + "".join(PRINT % (name, COMMANDS[name], name, name) for name in names) + "send poweroff -f\n"


def command(context):
    """The command `cloister` in user space says what the records say."""
    # A processor that delivers interrupts by itself does not say how many: `injected` is of the software path.
    run = boot(context, command_session(COMMANDS), hypervisor={"apicv": "off"}, vm={"user_hypercalls": "on"})
    need(command_output(run, "version") == "Cloister, hypercall ABI 1", "it says %r" % command_output(run, "version"))
    seen = json.loads(command_output(run, "json"))
    table = dict(line.rsplit(None, 1) for line in command_output(run, "stats").splitlines()[:9])
    stats = run.one("stats", vm="linux")
    # Counted first by the table, then by the JSON, then by the record at the VM's end; each word is one VMCALL more.
    for name, record in (("exits", "total"), ("injected", "injected"), ("exits_restricted", "restricted")):
        need(0 < int(table[name]) < seen[name] < stats[record],
             "%s: %s, then %d, at the end %d" % (name, table[name], seen[name], stats[record]))
    splits = sum(r["count"] for r in run.of_type("escalation") if r["cause"] == "split")
    said = sum(r["count"] for r in run.of_type("escalation") if r["cause"] in ("console", "schedule"))
    need(seen["escalations"] <= splits and stats["escalations"] == splits + said + 1 and said <= 5,
         "%d escalations before the end, %d of pages that were split" %
         (seen["escalations"], splits))
    need(0 < seen["exits_by_reason"]["vmcall"]["exits"] < stats["exits"]["vmcall"] and
         seen["exits_by_reason"]["vmcall"]["ticks"] > 0, "VMCALLs: %s" % seen["exits_by_reason"])
    need(set(seen["exits_by_reason"]) <= set(stats["exits"]), "exits of unknown kinds: %s" % seen["exits_by_reason"])
    policy = command_output(run, "policy")
    need(policy.startswith("asi\n") and "set-policy = on" in policy and policy.endswith("status 1"),
         "the policy: %r" % policy)
    need(command_output(run, "mark").splitlines()[0] == "status 0", "mark says %r" % command_output(run, "mark"))
    need(command_output(run, "mark").endswith("status 2"), "mark says %r" % command_output(run, "mark"))
    need(run.one("bench", vm="linux")["label"] == "from-linux" and run.one("bench")["value"] == 4711, "the mark's record")
    check_restricted(run, "console", "schedule")  # the mark, and its way out
    run.expect_errors()
    run.expect_end(0)


def command_refused(context):
    """Without the key a program is told that it may not, and nothing happens."""
    run = boot(context, command_session(["version", "mark"]))
    for name in ("version", "mark"):
        need("needs user-hypercalls = on" in command_output(run, name), "%s says %r" % (name, command_output(run, name)))
    need(not run.of_type("bench"), "the mark was taken")
    run.expect_end(0)


def command_output(run, name):
    """What a command printed; records of the hypervisor may stand between the lines."""
    match = re.search(r"^A-%s\n(.*?)^Z-%s$" % (name, name), run.text, re.S | re.M)
    need(match, "the output of %r is not on the console" % COMMANDS[name])
    lines = [line for line in match.group(1).splitlines() if not line.startswith("@cloister ")]
    return "\n".join(lines).strip()


def share_a_core(context):
    """Two Linux guests take turns on one core."""
    linux = {"kernel": "vmlinuz", "initrd": "initrd.img", "cmdline": "console=ttyS0 quiet cloister.auto",
             "memory": "256M"}
    run = context.boot(config({"one": linux, "two": linux}, mitigation="asi+stun"), FILES, timeout=900)
    for vm in ("one", "two"):
        need("[%s] # end of session" % vm in run.text, "%s did not come to the end of its session" % vm)
        run.expect_vm(vm, "poweroff")
        causes = {r["cause"] for r in run.of_type("escalation", vm=vm)}
        need(causes <= {"vm-state", "schedule", "split"}, "%s caused escalations by %s" % (vm, causes))
    run.expect_errors()
    run.expect_end(0)


def make_run(context):
    """What a newcomer types, without a terminal: it boots, shows a session and the statistics, and ends with 0."""
    status, text = context.command(["make", "-C", ROOT, "run"], timeout=900)
    need(status == 0, "make run ended with status %d" % status)
    for part in ("end of session", "3 packets transmitted, 3 packets received", '"type":"stats"', '"type":"end","status":0'):
        need(part in text, "make run does not show %r" % part)


def register(suite):
    suite.add("linux-uefi", recorded(full_session(firmware="uefi")), 50)
    suite.add("linux-make-run", make_run, 45)
    suite.add("linux-reboot", reboot, 40)
    suite.add("linux-bios-icelake", recorded(full_session(model=ICELAKE)), 30)
    suite.add("linux-bios-haswell", full_session(model=HASWELL), 30, wide=True)
    suite.add("linux-preemption-timer", restricted(hypervisor={"timer": "preemption"}), 25, wide=True)
    suite.add("linux-lazy-memory", restricted(vm={"memory_mode": "lazy"}), 25, wide=True)
    suite.add("linux-1-GiB", restricted(vm={"memory": "1G"}, mem=2048), 25, wide=True)
    suite.add("linux-policy-off", short_session(hypervisor={"mitigation": "off"}), 25, wide=True)
    suite.add("linux-always-flush", short_session(hypervisor={"mitigation": "always-flush"}), 35, wide=True)
    suite.add("linux-beside-hostile", beside_hostile, 60)
    suite.add("linux-command", command, 30)
    suite.add("linux-command-refused", command_refused, 30)
    suite.add("linux-smp-stunned", recorded(smp_stunned), 70)
    suite.add("linux-share-a-core", share_a_core, 80)
