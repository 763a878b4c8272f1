# SPDX-License-Identifier: MIT
"""The same tests on machines that QEMU plays on KVM, in the emulator: a second VMX, other firmware, other hardware.

An outer system (tools/nestedlib.py) is started once for each worker of the suite and stands still between its tests."""

import atexit
import itertools
import os
import re
import threading

from . import cases_boot, cases_fuzz, cases_guests, cases_life, cases_linux, cases_loaders, cases_net, cases_records, cases_share, cases_virtio
from .harness import BUILD, ROOT, Failure, Suite, build, need
import nestedlib
import qemu

RELEASE = os.environ.get("OUTER") or "bookworm"
# What of a test's options is the machine's business, or only Bochs's.
IGNORED = ("keep", "firmware", "quantum", "seed", "longest", "nmi")
KNOWN = ("smp", "mem", "script", "timeout", "disk", "reboots", "tells")


class Outers:
    """The workers' outer systems. An emulator dies with the thread that started it, so none is passed on."""

    def __init__(self):
        self.mine, self.lock, self.all = threading.local(), threading.Lock(), []
        atexit.register(self.close)

    def get(self):
        outer = getattr(self.mine, "outer", None)
        if not outer or outer.process.poll() is not None:
            with self.lock:
                if not build(["image"]):
                    raise Failure("make image failed")
            outer = self.mine.outer = nestedlib.Outer(RELEASE, os.path.join(BUILD, "cloister.img"))
            self.all.append(outer)
        return outer

    def close(self):
        for outer in self.all:
            outer.close()


OUTERS = Outers()


def say_nested(conf):
    """Tells the flat guests of configuration text @conf that interrupts may come which are none of theirs."""
    sections = re.split(r"(?m)^(?=\[)", conf)
    for i, section in enumerate(sections):
        if "format = flat" in section:
            sections[i] = re.sub(r"(?m)^cmdline = .*", r"\g<0> nested", section) if "\ncmdline = " in section else \
                section.rstrip("\n") + "\ncmdline = nested\n\n"
    return "".join(sections)


def launcher(context, name):
    """What stands in for emulib.run(): the machine of that name, with the test's own topology if it asks for one."""
    def launch(esp, **options):
        unknown = [key for key in options if key not in IGNORED + KNOWN]
        if unknown:
            raise Failure("no nested machine has the options %s" % unknown)
        machine = qemu.Machine.parse(name, mem=options.get("mem", 1024))
        machine.smp = options.get("smp", machine.smp)
        path = os.path.join(esp, "cloister.conf")
        if os.path.exists(path):
            with open(path, errors="surrogateescape") as f:
                conf = say_nested(f.read())
            with open(path, "w", errors="surrogateescape") as f:
                f.write(conf)
        outer = OUTERS.get()
        try:
            more = {key: options[key] for key in ("reboots", "tells") if key in options}
            result = outer.run(None if options.get("disk") else esp, machine, options.get("script"), options["timeout"], **more)
        finally:
            if outer.process.poll() is None:
                outer.rest()
        context.note("%s: QEMU's exit status is %d" % (machine, result.code))
        return result
    return launch


def nested(test, machine):
    """Test function @test on @machine. Its escalations are not compared: another CPU is seen there, with other flushes."""
    def run(context):
        context.launch = launcher(context, machine)
        return getattr(test, "unrecorded", test)(context)
    return run


POLICIES = ("off", "always-flush", "always-flush+stun", "cond-flush", "asi", "asi+stun")
DISK = 8 << 20
# What the guest does under each policy: processes, the console, timers.
WORK = "send ls -R /sys | md5sum; sleep 0.1; echo D''D-%d\nexpect DD-%d\\r?\\n 180s\n"


def linux_policies(vcpus):
    """Linux on that many vCPUs goes on while the policy changes to each that there is, by the operator and by its own wish."""
    def test(context):
        script = cases_linux.LOGIN % 400 + "send nproc; echo N''N\nexpect %d\\s+NN 60s\n" % vcpus
        for number, mode in enumerate(POLICIES):
            answer = '"mode":"%s"' % re.escape(mode)
            if number % 2:
                script += "send cloister policy %s\nexpect %s 60s\nexpect #\n" % (mode, answer)
            else:
                script += "press ^]\nexpect cloister> 60s\nsend policy %s\nexpect %s 60s\nexpect cloister> \nsend exit\nsend\n" % (
                    mode, answer)
            script += WORK % (number, number)
        script += cases_linux.PRINT % ("warnings", cases_linux.SECTIONS["warnings"], "warnings", "warnings")
        run = cases_linux.boot(context, script + "send poweroff -f\n", {"mitigation": "asi"},
                               {"vcpus": vcpus, "set_policy": "on", "user_hypercalls": "on"}, smp=TOPOLOGIES[vcpus])
        changes = [r["mode"] for r in run.of_type("policy")][1:]
        need(changes == list(POLICIES), "the policies were %s: %s" % (changes, run.result.log.splitlines()[:1]))
        # The outer system takes the CPU away whenever it likes, within a timer's interrupt too.
        warnings = [line for line in cases_linux.unexpected_warnings(cases_linux.section(run, "warnings"))
                    if "hrtimer: interrupt took" not in line]
        need(not warnings, "dmesg has %d warnings: %s" % (len(warnings), warnings[:4]))
        run.expect_vm("linux", "poweroff")
        run.expect_errors()
        run.expect_end(0)
    return test


# Two vCPUs are the threads of a core, four are two cores of two.
TOPOLOGIES = {1: "1:1:1", 2: "1:1:2", 4: "1:2:2"}


def linux_disk(context):
    """What Linux writes to a disk is what it reads, and a load of many requests at once ends well."""
    script = cases_linux.LOGIN % 400
    sections = {"load": "blkload /dev/vda 16 250; echo status $?",
                "data": "dd if=/dev/urandom of=/tmp/data bs=64k count=32 2> /dev/null; dd if=/tmp/data of=/dev/vda bs=64k conv=fsync "
                        "2> /dev/null; echo 3 > /proc/sys/vm/drop_caches; md5sum < /tmp/data; dd if=/dev/vda bs=64k count=32 "
                        "2> /dev/null | md5sum"}
    for name, command in sections.items():
        script += cases_linux.PRINT % (name, command, name, name)
    run = cases_linux.boot(context, script + "send poweroff -f\n", vm={"disk": "disk.img"}, files={"disk.img": bytes(DISK)})
    need("status 0" in cases_linux.section(run, "load"), "blkload: %s" % cases_linux.section(run, "load"))
    sums = re.findall(r"^[0-9a-f]{32}", cases_linux.section(run, "data"), re.M)
    need(len(sums) == 2 and sums[0] == sums[1], "what was written is not what is read: %s" % sums)
    run.expect_vm("linux", "poweroff")
    run.expect_errors()
    run.expect_end(0)


def run_kvm(context):
    """What it lacks is one line; without VMX a run ends with its own status, on every chipset, firmware and medium."""
    tool, image = os.path.join(ROOT, "tools/run-kvm"), cases_boot.built("image")
    status, text = context.command([tool, image], env={"PATH": "/nowhere"})
    need(status == 1 and re.fullmatch(r"run-kvm: there is no qemu-system-x86_64: .*\n", text), "without QEMU: %d, %s" % (status, text))
    status, text = context.command([tool, "--accel", "tcg", os.path.join(BUILD, "cloister.elf")])
    need(status == 1 and re.fullmatch(r"run-kvm: .* has no EFI system partition.*\n", text), "no image: %d, %s" % (status, text))
    before = nestedlib.digest(image)
    for words in ("", "--smp 1:2:2 --firmware bios", "--machine pc --firmware bios --medium usb --mem 600"):
        status, text = context.command([tool, "--accel", "tcg"] + words.split() + [image], timeout=200)
        need(status == 1 and text.count('"type":"end","status":1') == 1, "%s: status %d" % (words, status))
        need("this CPU has no VMX" in text, "%s: it says %s" % (words, text[-200:]))
    need(nestedlib.digest(image) == before, "the image has been changed")
    for name in ("q35-uefi-usb-1:1:2-iommu", "pc-bios-disk-2:2:1", "q35-bios-disk-1:1:1-nvme-e1000e"):
        need(str(qemu.Machine.parse(name)) == name, "%s becomes %s" % (name, qemu.Machine.parse(name)))


# Whole systems: name, test, the machines of `make nested`, of which the first is the suite's; its cost there, 0: not in the suite.
SYSTEMS = (
    ("demo-disk-bios", cases_boot.disk("image", "bios"), ("q35-bios-disk-1:1:1-vga", "pc-bios-disk-1:1:1-vga", "q35-bios-usb"), 0),
    ("demo-disk-uefi", cases_boot.disk("image", "uefi"), ("q35-uefi-usb-1:1:2-vga", "q35-uefi-disk-1:1:1-vga-flash",
                                                          "pc-uefi-disk-1:2:1-flash"), 90),
    ("linux-1", linux_policies(1), ("pc-bios", "q35-uefi-disk"), 0),
    ("linux-2", linux_policies(2), ("q35-bios", "q35-uefi-usb", "pc-bios-usb"), 0),
    ("linux-4", linux_policies(4), ("q35-bios-disk-1:2:2-iommu-nvme-e1000e", "q35-uefi-disk"), 0),
    ("linux-disk", linux_disk, ("q35-bios-usb", "pc-uefi-disk"), 0),
    ("linux-net", cases_net.linux(smp="1:2:1"), ("q35-bios-disk-1:2:1-e1000e", "q35-uefi-disk"), 0),
)
# The suite's selection of single guests, each on another machine; `make nested` has nearly all that there are.
GUESTS = (("guest-cpuid", "q35-bios"), ("guest-cr", "q35-bios-usb"), ("guest-interrupts", "q35-bios-disk-1:1:1-iommu-nvme-e1000e"),
          ("guest-exceptions", "pc-bios-usb"), ("guest-mmio", "q35-bios"), ("guest-smp-4", "pc-bios"), ("monitor", "q35-bios-usb"))
# Many restarts, what has to come in the middle of a loading, a file that is too large to be sent; measured ticks and instructions, shares of the console, exact counts of interrupts or flushes, CPUs of Bochs's, broken builds: not what these machines can show.
LEFT_OUT = (r"^life-restarts-(asi|thousand)$|^life-hogs$|held-off$|^life-(first-touches|loading)$|^loader-pvh-linux$|^restart-scrubs|icelake|haswell|arrandale|without-|timer|naps|sensitive-|hardened|clock|^policies(-more|-beside|$)|^stun$|not-scrubbed|^policy-|^linux-|^boot-|"
            r"^image-|^iso-|^share-|^virtio-(guest|linux|no-numbers|fuzz)|^net-pair|^net-storm|uefi")
MACHINES = ("q35-bios", "pc-bios", "q35-bios-usb", "q35-bios-disk-1:1:1-iommu-nvme-e1000e", "pc-bios-usb")


def guests():
    """All test functions whose guests may run nested, by name."""
    found = Suite(False)
    for cases in (cases_fuzz, cases_guests, cases_life, cases_loaders, cases_net, cases_records, cases_share, cases_virtio):
        cases.register(found)
    return {t.name: t for t in found.tests if not re.search(LEFT_OUT, t.name)}


def register(suite):
    tests = guests()
    for name, machine in GUESTS:
        suite.add("nested-" + name, nested(tests[name].function, machine), 10)
    for name, test, machines, cost in SYSTEMS:
        if cost:
            suite.add("nested-" + name, nested(test, machines[0]), cost)
    suite.add("run-kvm", run_kvm, 20)


def register_all(suite, wanted=None):
    """For `make nested`: all tests, the guests' on one machine after the other, or all that can be on the machine @wanted."""
    turns = itertools.cycle(MACHINES)
    for name, test in guests().items():
        suite.add("nested-" + name, nested(test.function, wanted or next(turns)), test.cost)
    for name, test, machines, _ in SYSTEMS:
        for machine in (wanted,) if wanted else machines:
            suite.add("nested-%s-%s" % (name, machine), nested(test, machine), 100)
