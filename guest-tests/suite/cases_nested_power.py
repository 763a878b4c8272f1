# SPDX-License-Identifier: MIT
"""What a machine's owner does to it: its buttons, what stops it and goes on, errors that its hardware corrects. On QEMU with KVM,
nested in the emulator (tools/nestedlib.py), as Bochs has none of this."""

import re

from .cases_nested import launcher
from .harness import config, flat, guest_file, need

BAR = "press ^]\nexpect cloister> \nsend end\n"
ELSEWHERE = "0x80"  # a port that does not end QEMU
# Valid, with an address and more; what was corrected is a read from the data cache.
MCE = "0x9c00000000000135"


def boot(context, machine, vms, guests, script, keys=None, **options):
    """Boots Cloister on @machine; a harness.Run. Options: of nestedlib.Outer.run()."""
    context.launch = launcher(context, machine)
    files = {name: path for guest in guests for name, path in guest_file(guest).items()}
    run = context.boot(config(vms, **(keys or {})), files, script=script, **options)
    need(not run.result.log.startswith("script:"), run.result.log.split("\n")[0])
    return run


def counts(run):
    """The guest `life count` has counted on, whatever happened. The monitor cuts the last line before it off; what the
    hypervisor says comes on lines of its own, in the middle of one of the guest's perhaps."""
    said = r"\n(?:(?:@cloister |cloister: )[^\n]*\n)+"
    text = run.text.partition("cloister: the monitor;")[0]
    text = re.sub(said, "", re.sub(said + "(?=count )", "\n", text))
    numbers = [int(n) for n in re.findall(r"^count (\d+)$", text, re.M)][:-1]
    need(len(numbers) > 3 and numbers == list(range(numbers[0], numbers[0] + len(numbers))), "it counted %s" % numbers[-5:])


def nmi(context):
    """Under SeaBIOS, whose ACPI tables lie in a reserved range: all CPUs are there. An NMI comes to the first one, is told, and
    disturbs nobody."""
    press = "monitor nmi\nexpect \"type\":\"nmi\"\n"
    run = boot(context, "q35-bios-disk-1:4:1", {"t": flat("life", "count", "4M")}, ["life"],
               "expect count 2\n" + 2 * press + "expect count \\d+\n" + BAR)
    cpus = run.of_type("cpu")
    need(len(cpus) == 4 and all(cpu["online"] for cpu in cpus), "the CPUs are %s" % cpus)
    told = [(r["cpu"], r["fresh"], r["count"]) for r in run.of_type("nmi")]
    need(told == [(0, 1, 1), (0, 1, 2)], "told of NMIs: %s" % told)
    need(run.text.count("1 NMI from outside") == 2, "people are not told")
    counts(run)
    run.expect_errors()
    run.expect_end(0)


def corrected(context):
    """What the hardware has corrected is told once and cleared: the same bank holds the next error, on any CPU."""
    inject = "monitor mce %d %d " + MCE + " 0 0x12345000 0x86\nexpect \"type\":\"mce\"\n"
    run = boot(context, "q35-bios-disk-1:2:1", {"t": flat("life", "count", "4M")}, ["life"],
               "expect count 2\n" + inject % (0, 1) + inject % (0, 1) + inject % (1, 4) + "expect count \\d+\n" + BAR)
    errors = run.of_type("mce")
    need([(r["cpu"], r["bank"], r["errors"], r["count"]) for r in errors] == [(0, 1, 1, 1), (0, 1, 1, 2), (1, 4, 1, 1)],
         "told of machine checks: %s" % errors)
    need(all((r["status"], r["address"], r["misc"], r["more"]) == (MCE, "0x12345000", "0x86", False) for r in errors),
         "what the banks held: %s" % errors)
    need(run.text.count("the hardware has corrected 1 error,") == 3, "people are not told")
    counts(run)
    run.expect_errors()
    run.expect_end(0)


# Valid, uncorrected, enabled, with an address and more: read by an instruction that needs it; found by a patrol of memory that
# nobody needs yet; and one that leaves the processor's own state in doubt.
USED, UNUSED, LOST = "0xbd80000000000134", "0xbd000000000000cf", "0xbf80000000000134"
TWO_VMS = {"a": flat("life", "busy", "4M"), "b": flat("life", "count", "4M")}


def used(context):
    """What cannot be corrected ends the guest that used it, here one whose CR4.MCE is clear, and nobody else."""
    run = boot(context, "q35-bios-disk-1:2:1", TWO_VMS, ["life"],
               "expect is busy\nmonitor mce 0 1 %s 7 0x12345000 0x86\nexpect \"vm\":\"a\",\"state\":\"stopped\"\nexpect \"type\":\"mce\"\n"
               "expect \\[b\\] count \\d+\nexpect \\[b\\] count \\d+\n" % USED + BAR)
    end = run.one("vm", vm="a", state="stopped")
    need("machine check" in end["reason"] and "0x12345000" in end["reason"], "a ended: %s" % end)
    error = run.one("mce")
    need((error["cpu"], error["bank"], error["corrected"], error["status"]) == (0, 1, False, USED), "told: %s" % error)
    need([r["vm"] for r in run.of_type("vm", state="stopped")] == ["a"], "others ended too: %s" % run.of_type("vm"))
    run.expect_end(1)


def unused(context):
    """It comes to all CPUs at once, to those that run guests and those that sleep, again and again; everything goes on."""
    inject = "monitor mce -b 1 2 %s 5 0x6000 0x86\nexpect \"type\":\"mce\",\"cpu\":1\nexpect \\[b\\] count \\d+\n" % UNUSED
    run = boot(context, "q35-bios-disk-1:4:1", TWO_VMS, ["life"], "expect is busy\n" + 3 * inject + "expect \\[b\\] count \\d+\n" + BAR)
    for cpu in range(4):
        told = run.of_type("mce", cpu=cpu)
        # One that comes before a CPU has told of the last is not told by itself, but as more than one.
        need(len(told) == 3 or (len(told) < 3 and any(r["more"] for r in told)), "CPU %d told %s" % (cpu, told))
        need(not any(r["corrected"] for r in told), "CPU %d told %s" % (cpu, told))
    need([r["status"] for r in run.of_type("mce", cpu=1)] == [UNUSED] * 3, "CPU 1 told %s" % run.of_type("mce", cpu=1))
    need(not run.of_type("vm", state="stopped"), "a VM failed")
    run.expect_errors()
    run.expect_end(0)


def lost(context):
    """A processor that does not know what it was doing any more: the machine ends, and says why."""
    run = boot(context, "q35-bios-disk-1:2:1", TWO_VMS, ["life"], "expect is busy\nmonitor mce 0 1 %s 4 0x12345000 0x86\n"
               "expect \"type\":\"panic\"\n" % LOST, panic=True)
    need("machine check on CPU 0" in run.one("panic")["what"] and LOST in run.one("panic")["what"], "it says %s" % run.one("panic"))


def stands_still(context):
    """The machine is stopped for seconds, its clock goes on: a stun that was under way does not close the core."""
    run = boot(context, "q35-bios-disk-1:1:2", {"t": flat("stun", "nested", "8M", vcpus=2)}, ["stun"],
               "expect the sibling starts\n" + "monitor stop\nsleep 3\nmonitor cont\nsleep 0.05\n" * 10 +
               "expect done stun 200s\n",
               {"mitigation": "asi+stun"}, timeout=400)
    need(not run.of_type("stun"), "a core was closed: %s" % run.of_type("stun"))
    need(run.of_type("stats")[0]["stun"]["sent"] >= 100, "there were %s" % run.of_type("stats")[0]["stun"])
    run.expect_guest("stun")
    run.expect_errors()
    run.expect_end(0)


def reset(context):
    """The reset button: the machine boots again, as if nothing had been."""
    run = boot(context, "q35-bios-disk-1:2:1", {"t": flat("life", "count", "4M")}, ["life"],
               "expect count 2\nmonitor system_reset\nexpect booted by\nexpect count 2\n" + BAR, reboots=True)
    need(len(run.of_type("boot")) == 2, "it booted %d times" % len(run.of_type("boot")))
    need(len(run.of_type("cpu", online=True)) == 4, "the CPUs are %s" % run.of_type("cpu"))
    need(not run.failures_of(), "the guest complains: %s" % run.failures_of())
    run.expect_errors()
    run.expect_end(0)


def power_button(context):
    """Pressed once: the VMs are stopped in order, the machine goes off by ACPI's S5, which is what ends QEMU."""
    for machine in ("q35-bios-disk-1:2:1", "q35-uefi-disk-1:1:2", "pc-bios-disk-1:1:1"):
        vms = {"a": flat("life", "count", "4M"), "b": flat("life", "busy", "4M")}
        run = boot(context, machine, vms, ["life"], "expect count 2 200s\nmonitor system_powerdown\n",
                   {"exit_port": ELSEWHERE}, tells=False)
        need(run.result.code == 0, "%s: QEMU ended with %d, and not because it was switched off" % (machine, run.result.code))
        run.one("power", event="button")
        need([r["vm"] for r in run.of_type("vm", state="stopped")] == ["a", "b"], "%s: %s" % (machine, run.of_type("vm")))
        need(run.one("end")["reason"] == "power button", "%s: the reason is %s" % (machine, run.one("end")))
        run.expect_errors()
        run.expect_end(0)


def power_button_twice(context):
    """Pressed again while a VM's memory is scrubbed: the machine does not wait."""
    run = boot(context, "q35-bios-disk-1:2:1", {"t": flat("life", "count", "800M")}, ["life"],
               "expect count 2\nmonitor system_powerdown\nexpect a second press: at once\nmonitor system_powerdown\n",
               {"exit_port": ELSEWHERE}, tells=False)
    need(run.result.code == 0, "QEMU ended with %d, and not because it was switched off" % run.result.code)
    need(run.one("end")["reason"] == "power button", "the reason is %s" % run.one("end"))
    run.expect_errors()
    run.expect_end(0)


def no_power_button(context):
    """Nothing is running but the operator's monitor: a press ends that too."""
    run = boot(context, "q35-bios-disk-1:1:1", {"t": flat("life", "count", "4M")}, ["life"],
               "expect count 2\npress ^]\nexpect cloister> \nsend stop t\nexpect cloister> \nmonitor system_powerdown\n")
    need(run.one("end")["reason"] == "power button", "the reason is %s" % run.one("end"))
    run.expect_end(0)


def register(suite):
    for name, case in (("nmi", nmi), ("mce", corrected), ("mce-used", used), ("mce-unused", unused), ("mce-lost", lost), ("stop-cont", stands_still), ("reset", reset), ("button", power_button),
                       ("button-twice", power_button_twice), ("button-monitor", no_power_button)):
        suite.add("nested-power-" + name, case, 60)
