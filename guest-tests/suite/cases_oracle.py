# SPDX-License-Identifier: MIT
"""The witness and the oracle (docs/CHECKS.md): what the maps reach and what the cores touched, as the emulator shows it."""

import json
import os
import re
import sys

from .cases_build import variant
from .harness import ROOT, need

import pagewalk

TIMEOUT = "200"


def tool(context, name, *arguments):
    """Exit status and the JSON that the tool printed."""
    status, text = context.command([os.path.join(ROOT, "tools", name), "--json", "--timeout", TIMEOUT] + list(arguments),
                                   cwd=context.dir)
    need(status in (0, 1), "%s could not be run: %s" % (name, text.strip()[-300:]))
    return status, json.loads(text.splitlines()[-1])


def witness_asi(context):
    status, cpus = tool(context, "witness", "--mitigation", "asi")
    need(status == 0, "the restricted map shows too much: %s" % [one["wrong"] for one in cpus])


def witness_off(context):
    """The same search in the full map: every secret must turn up, or the search is blind."""
    status, cpus = tool(context, "witness", "--mitigation", "off")
    need(status == 1, "nothing is found in the full map")
    for one in cpus:
        missing = [name for name, count in one["found"].items() if not count]
        need(not missing, "CPU %d: the full map does not show %s" % (one["cpu"], missing))


def witness_map_sensitive(context):
    """What the hypervisor parsed from the configuration lies in .bss, which this build shows to everyone."""
    folder = variant(context, "map_sensitive", "BREAK=map_sensitive")
    status, cpus = tool(context, "witness", "--build", folder)
    need(status == 1, "the witness does not notice it")
    for one, other in zip(cpus, reversed(cpus)):
        need(one["found"]["command line of " + other["vm"]], "CPU %d: no foreign command line is found" % one["cpu"])
        need(not one["found"]["memory of " + other["vm"]], "CPU %d: foreign memory is found" % one["cpu"])


# One VM's memory and registers on two threads that another VM had before.
REGISTERS = ["--registers", "--words", "deaf"]


def witness_shared_core(mode):
    """Two VMs on the threads of one core: what each thread's map reaches and its registers hold when it has changed from
    the one to the other."""
    def test(context):
        status, views = tool(context, "witness", "--mitigation", mode, *REGISTERS)
        need(len({(one["cpu"], one["vm"]) for one in views}) == 4, "not every thread was seen with every VM")
        if mode != "off":
            need(status == 0, "the restricted map shows too much: %s" % [one["wrong"] for one in views])
            return
        for one in views:
            missing = [name for name, count in one["found"].items() if not count]
            need(not missing, "CPU %d with %s: the full map does not show %s" % (one["cpu"], one["vm"], missing))
    return test


def witness_skip_scrub(context):
    """A build that leaves what the last VM had in registers, and on the CPU's stacks, to the next."""
    folder = variant(context, "skip_scrub", "BREAK=skip_scrub")
    status, views = tool(context, "witness", "--mitigation", "asi+stun", "--build", folder, *REGISTERS)
    need(status == 1, "the witness does not notice it")
    wrong = "\n".join(text for one in views for text in one["wrong"])
    for register in ("DR3", "lstar", "kernelgsbase", "fraction", "xmm00_0", "xmm15_7"):
        need(re.search(r"between VMs: .*\b%s\b" % register, wrong), "%s of the other VM is not found" % register)
    need(re.search("processor: .*CR2", wrong), "CR2 of the other VM is not found")
    stacks = [int(at, 16) for at in re.findall(r"registers of \w+ is visible at \d+ places, first (0x[0-9a-f]+)", wrong)]
    need(stacks and all(pagewalk.slot_of(at) == pagewalk.slot_of(pagewalk.layout()["CPU_BASE"]) for at in stacks),
         "nothing is found on the CPU's stacks: %s" % [hex(at) for at in stacks])


def witness_ended(context):
    """What a VM had that has ended is nowhere in the machine; where the pool does not scrub, it is found."""
    status, views = tool(context, "witness", "--ended")
    need(status == 0, "it is still there: %s" % views[0]["wrong"][:3])
    folder = variant(context, "skip_free_scrub", "BREAK=skip_free_scrub")
    status, views = tool(context, "witness", "--ended", "--build", folder)
    need(status == 1, "memory that was not scrubbed is not found: %s" % views)


def window(result, entries=50):
    """The trace was one of exits and escalations, not of an idle machine."""
    need(result["count"]["entries"] >= entries, "only %d VM entries were traced" % result["count"]["entries"])
    need(result["count"]["hidden-touches"] > 0, "no access to hidden memory was traced")


def oracle_asi(*arguments):
    def test(context):
        status, result = tool(context, "oracle", "--mitigation", "asi", *arguments)
        window(result)
        need(result["count"]["flushes"] > 0, "no flush was traced")
        need(status == 0 and not result["findings"], "found: %s" % result["findings"][:3])
    return test


def oracle_verw(context):
    """On a CPU whose VERW empties the buffers they are judged, too; and its flush is by MSR."""
    status, result = tool(context, "oracle", *VERW)
    window(result)
    need(result["judges_buffers"] and result["count"]["verws"] > 0, "no VERW was judged")
    need(result["count"]["flushes"] > 0, "no flush was traced")
    need(status == 0 and not result["findings"], "found: %s" % result["findings"][:3])


def caught(result, status, symbol):
    need(status == 1, "the oracle does not notice it")
    need(any(f["kind"] == "left-behind" and f["what"] == symbol for f in result["findings"]),
         "it complains of something else: %s" % result["findings"][:3])


SIBLINGS = ["--smp", "1:1:2", "--vcpus", "2"]
# As the oracle calls what a VM touched before the trace began.
BEFORE = "what no trace shows"
SHARED = ["--vms", "2", "--switches", "2"]
NETWORK = ["--network", "--smp", "1:2:1", "--skip", "10000000", "--instructions", "800000"]
DISK = ["--mitigation", "asi", "--disk", "--skip", "3500000", "--instructions", "150000"]
TURNS = DISK + ["--vms", "2", "--words", "naps"]
# VERW works on this model, and `paranoid` has it used.
VERW = ["--model", "tigerlake", "--paranoid"]


def clean(*arguments, entries=30, together=0, switches=0):
    """Nothing is found where siblings run beside each other, or VMs one after the other."""
    def test(context):
        status, result = tool(context, "oracle", *arguments)
        count = result["count"]
        window(result, entries)
        need(count["flushes"] > 0, "no flush was traced")
        need(count["together"] >= together, "only %d entries were made beside a guest" % count["together"])
        need(count["switches"] >= switches, "only %d switches of VMs were traced" % count["switches"])
        need(not switches or (count["invepts"] and count["window-flushes"]), "no dropping of translations was traced")
        need(status == 0 and not result["findings"], "found: %s" % result["findings"][:3])
    return test


def shows(*wanted, arguments, defect=None, flags=()):
    """The oracle finds each of @wanted: (kind, owner, what), None for anything; @defect: in a build that has it."""
    def test(context):
        build = ["--build", variant(context, defect, "BREAK=" + defect, *flags)] if defect else []
        status, result = tool(context, "oracle", *arguments, *build)
        window(result, 30)
        need(status == 1, "the oracle does not notice it")
        for kind, owner, what in wanted:
            need(any(f["kind"] == kind and f["owner"].startswith(owner) and what in (None, f["what"])
                     for f in result["findings"]), "no %s of %s %s: %s" % (kind, owner, what or "", result["findings"][:3]))
    return test


def oracle_disk(context):
    """A VM that does nothing but read and write its disk gives no reason for an escalation; of two that take turns neither
    leaves its copy's data to the other."""
    status, result = tool(context, "oracle", *DISK)
    count = result["count"]
    need(count["entries"] >= 50, "only %d VM entries were traced" % count["entries"])
    # The emulator counts each of the 512 words that a request copies.
    need(result["instructions"]["root"] > 512 * count["entries"], "these were no requests: %s" % result["instructions"])
    need(count["hidden-touches"] == count["flushes"] == 0, "requests escalate: %s" % count)
    need(status == 0 and not result["findings"], "found: %s" % result["findings"][:3])
    clean(*TURNS, switches=1)(context)


def oracle_shared_disk(context):
    """What several VMs read of one image is nobody's to leak: frames that their windows show, and none may write."""
    status, result = tool(context, "oracle", "--disk", "ro", "--vms", "2", "--smp", "1:2:1", "--skip", "3500000", "--instructions",
                          "150000")
    count = result["count"]
    need(count["entries"] >= 30, "only %d VM entries were traced" % count["entries"])
    # Every other request reads.
    need(result["instructions"]["root"] > 256 * count["entries"], "these were no requests: %s" % result["instructions"])
    need(status == 0 and not result["findings"], "found: %s" % result["findings"][:3])


def oracle_disk_skip_flush(context):
    """What a request's data was copied to or from is found."""
    folder = variant(context, "skip_flush", "BREAK=skip_flush")
    status, result = tool(context, "oracle", "--build", folder, *TURNS)
    window(result, 30)
    lines = sum(f["lines"] for f in result["findings"]
                if f["kind"] == "left-behind" and f["owner"].startswith("vm/") and f["site"] == "vblk_notify")
    need(status == 1 and lines > 1000, "%d lines that a request touched are found" % lines)


def oracle_off(context):
    status, result = tool(context, "oracle", "--mitigation", "off", "--instructions", "100000")
    window(result)
    caught(result, status, "sensitive_word")


def oracle_skip_flush(context):
    folder = variant(context, "skip_flush", "BREAK=skip_flush")
    status, result = tool(context, "oracle", "--build", folder, "--instructions", "100000")
    window(result)
    need(result["count"]["flushes"] == 0, "the build flushes nevertheless")
    caught(result, status, "sensitive_word")


def leftovers(context):
    """Nothing that code in full put on a stack is below the stack pointer when the restricted map is loaded. One VM touches what is
    sensitive, another one ends, whose CPU works and rests on its own stack from then on."""
    status, result = tool(context, "leftovers", "--smp", "1:2:1", "--words", "touch,leave soon", "--count", "26",
                          "--vcpu-stacks", "10")
    count = result["count"]
    need(status == 0, "it is: %s" % result["wrong"][:3])
    need(count.get("vcpu", 0) >= 10 and count.get("idle", 0) >= 3, "not every stack was looked at: %s" % count)
    need(result["deepest"] > 200, "nothing was zeroed: it proves nothing")


def leftovers_caught(context):
    """A build that zeroes too little is."""
    folder = variant(context, "short_scrub", "BREAK=short_scrub")
    status, result = tool(context, "leftovers", "--build", folder, "--count", "10")
    need(status == 1 and any(text.startswith("vcpu stack") for text in result["wrong"]), "it is not noticed: %s" % result["wrong"][:3])


def boot_gone(*arguments):
    """What only the boot needs is in no map and no TLB when guests run, and its memory is the pool's, zero: as many bytes as
    the record says."""
    def test(context):
        status, result = tool(context, "boot-gone", *arguments)
        count = result["count"]
        need(status == 0, "it is not: %s" % result["wrong"][:3])
        need(all(count["cached_before"]), "a TLB had nothing of it before, so it proves nothing: %s" % count)
        need(count["maps"] >= 3, "%d maps were looked at" % count["maps"])
        grown = (count["free_behind"] - count["free_before"]) * 4096
        need(grown == count["freed"] == count["record"], "the pool has %d bytes more: %s" % (grown, count))
        need(grown >= count["pages"] * 4096 > 100000, "of %d pages %d bytes were freed" % (count["pages"], grown))
    return test


def boot_gone_caught(context):
    """A build in which other CPUs forget nothing is."""
    folder = variant(context, "keep_boot", "BREAK=keep_boot")
    status, result = tool(context, "boot-gone", "--build", folder)
    need(status == 1 and any(text.startswith("CPU 1's TLB has") for text in result["wrong"]), "it is not noticed: %s" % result["wrong"][:3])


def selftest(context):
    status, text = context.command([sys.executable, os.path.join(ROOT, "guest-tests/suite/oracle_selftest.py")])
    need(status == 0 and "\nOK" in text, "a planted violation is not found, or something else is")


def register(suite):
    suite.add("oracle-selftest", selftest, 1)
    suite.add("boot-gone-bios", boot_gone(), 20)
    suite.add("boot-gone-uefi", boot_gone("--firmware", "uefi"), 30)
    suite.add("boot-gone-stun", boot_gone("--smp", "1:1:2", "--vms", "1", "--vcpus", "2", "--mitigation", "asi+stun"), 12)
    suite.add("boot-gone-caught", boot_gone_caught, 20)
    suite.add("leftovers", leftovers, 14)
    suite.add("leftovers-caught", leftovers_caught, 20)
    suite.add("witness-asi", witness_asi, 25)
    suite.add("witness-off", witness_off, 25)
    suite.add("witness-map-sensitive-caught", witness_map_sensitive, 40)
    suite.add("oracle-asi", oracle_asi(), 10)
    suite.add("oracle-verw", oracle_verw, 10)
    suite.add("oracle-skip-verw-caught", shows(
        ("in-buffers", "hidden", "sensitive_word"), ("in-buffers", "vm/", None), ("in-buffers", "vm/", BEFORE),
        defect="skip_verw", arguments=VERW + ["--instructions", "30000"] + SHARED), 25)
    suite.add("oracle-asi-two-vms", oracle_asi("--vms", "2", "--smp", "1:2:1"), 30)
    suite.add("oracle-off-leaks", oracle_off, 10)
    suite.add("oracle-skip-flush-caught", oracle_skip_flush, 25)

    # Siblings: a busy one, and one with interrupts off.
    suite.add("oracle-stun", clean("--mitigation", "asi+stun", "--guest", "stun", "--instructions", "100000", *SIBLINGS,
                                   together=20), 20)
    suite.add("oracle-stun-deaf", clean("--mitigation", "asi+stun", "--words", "deaf", "--instructions", "100000", *SIBLINGS,
                                        together=20), 25)
    suite.add("oracle-no-stun-caught", shows(
        ("beside-full", "hidden", None), ("beside-guest", "hidden", "sensitive_word"), ("left-behind", "hidden", "sensitive_word"),
        arguments=["--mitigation", "asi", "--instructions", "100000"] + SIBLINGS), 20)
    # An interrupt arrives within an instruction here, so that nobody need wait: one that never comes takes the place of a late one.
    suite.add("oracle-skip-ack-caught", shows(
        ("beside-full", "hidden", None), ("beside-guest", "hidden", "sensitive_word"), defect="skip_ack",
        flags=["EXTRA_CFLAGS=-DBREAK_deaf"],
        arguments=["--mitigation", "asi+stun", "--words", "deaf", "--instructions", "70000"] + SIBLINGS), 40)
    suite.add("oracle-release-first-caught", shows(
        ("left-behind", "hidden", "sensitive_word"), defect="release_first",
        arguments=["--mitigation", "asi+stun", "--guest", "stun", "--instructions", "100000"] + SIBLINGS), 35)

    # VMs that take turns, on one thread and on two.
    suite.add("oracle-shared-core", clean("--mitigation", "asi+stun", "--instructions", "50000", *SHARED, *SIBLINGS,
                                          together=20, switches=1), 25)
    suite.add("oracle-shared-thread", clean("--mitigation", "asi", "--instructions", "30000", *SHARED, switches=2), 10)
    suite.add("oracle-shared-core-off", shows(
        ("left-behind", "vm/", None), ("left-behind", "vm/", BEFORE), ("left-behind", "hidden", "sensitive_word"),
        arguments=["--mitigation", "off", "--instructions", "30000"] + SHARED), 10)
    suite.add("oracle-shared-core-skip-flush", shows(
        ("left-behind", "vm/", None), ("left-behind", "vm/", BEFORE), defect="skip_flush",
        arguments=["--mitigation", "asi", "--instructions", "30000"] + SHARED), 25)
    suite.add("oracle-keep-translations-caught", shows(
        ("stale", "vm/", "translations of guest addresses"), ("stale", "vm/", "translations of the window, in the map of exits"),
        defect="keep_translations", arguments=["--mitigation", "asi", "--instructions", "30000"] + SHARED), 25)
    # Frames from one VM's memory into another's, on two cores: whole windows of them in few exits.
    suite.add("oracle-net", clean("--mitigation", "asi", *NETWORK, entries=8), 40)
    suite.add("oracle-net-skip-flush-caught", shows(("left-behind", "vm/", None), defect="skip_flush",
                                                    arguments=["--mitigation", "asi"] + NETWORK), 60)
    suite.add("oracle-disk", oracle_disk, 30)
    suite.add("oracle-shared-disk", oracle_shared_disk, 15)
    suite.add("oracle-disk-skip-flush-caught", oracle_disk_skip_flush, 40)
    suite.add("witness-shared-core", witness_shared_core("asi+stun"), 30)
    suite.add("witness-shared-core-off", witness_shared_core("off"), 30, wide=True)
    suite.add("witness-skip-scrub-caught", witness_skip_scrub, 45)
    suite.add("witness-ended", witness_ended, 90)
