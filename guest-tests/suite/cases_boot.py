# SPDX-License-Identifier: MIT
"""Ways to boot: both firmwares on each CPU model, more processors, the disk image and the ISO, QEMU without VMX."""

import os

from .cases_guests import HASWELL, ICELAKE, SKYLAKE
from .harness import BUILD, Failure, build, config, flat, guest_file, need

import pagewalk

LOGIN = """expect login: 120s
send root
expect # 30s
send uname -r
expect \\d-cloud-amd64 20s
expect #
send poweroff -f
"""
# With several guests their output comes by whole lines, which a prompt is not: the console is given to one at a time.
ATTACH = """expect %s
press ^]
expect cloister> 60s
send attach %s
send
"""
SOURCE = {"uefi": "efi", "bios": "multiboot2"}


def boot_parts():
    """Bytes of the image that only the boot needs (linker.ld)."""
    at = pagewalk.Symbols(os.path.join(BUILD, "cloister.elf")).address
    return sum(at["boot_%s_end" % part] - at["boot_%s_start" % part] for part in ("text", "rodata", "data"))


def boot(firmware, model):
    def test(context):
        run = context.boot(config({"t": flat("calm")}), guest_file("calm"), firmware=firmware, model=model)
        run.expect_guest("calm")
        run.expect_errors()
        run.expect_end(0)
        record = run.one("boot")
        need(record["source"] == SOURCE[firmware], "the boot record's source is %s" % record["source"])
        need(record["cpus"] == 1, "%s CPUs, want 1" % record["cpus"])
        # The image's parts; the UEFI loader's record and page tables lie beside it.
        parts, freed = boot_parts(), record["boot_freed"]
        need(freed == parts if firmware == "bios" else freed >= parts + 16 * 4096, "%d bytes were freed, of the image %d" % (freed, parts))
        need(0 < record["ticks_to_guest"] - record["file_ticks"] <= 50000000,
             "%d ticks to the first guest instruction" % (record["ticks_to_guest"] - record["file_ticks"]))
    return test


def processors(firmware, smp, cpus, cores):
    """All processors come up, the siblings are told apart, a VM runs on the last core."""
    def test(context):
        last = cpus - cpus // cores
        conf = config({"first": flat("calm", "poweroff"), "last": flat("calm", "poweroff", cpus=str(last))})
        run = context.boot(conf, guest_file("calm"), firmware=firmware, smp=smp, timeout=400)
        found = run.of_type("cpu")
        need(len(found) == cpus, "%d cpu records, want %d" % (len(found), cpus))
        need(all(c["online"] for c in found), "a CPU is not online: %s" % found)
        need(len({c["apic_id"] for c in found}) == cpus, "APIC ids repeat: %s" % found)
        need(len({c["core"] for c in found}) == cores, "cores are not told apart: %s" % found)
        need(sum(c["primary"] for c in found) == cores, "not one first thread a core: %s" % found)
        run.expect_all_well(("first", "last"), "calm")
    return test


def framebuffer(context):
    """With the screen as a second console: the same records arrive, each visit of the screen leaves restricted."""
    conf = config({"t": flat("calm")}, console="com1, framebuffer")
    run = context.boot(conf, guest_file("calm"), firmware="uefi")
    run.expect_guest("calm")
    run.expect_errors()
    run.expect_end(0)


def tcg(firmware):
    """QEMU's TCG has no VMX: Cloister must boot there, say so, and end."""
    def test(context):
        run = context.boot(config({"t": flat("calm")}), guest_file("calm"), machine="qemu-tcg", firmware=firmware,
                           timeout=600)
        run.expect_errors(r"cannot run: this (CPU has no VMX|is not an Intel CPU)")
        run.expect_end(1)
    return test


def built(name):
    """The image or ISO that make builds, with the demonstration guest."""
    if not build([name]):
        raise Failure("make %s failed" % name)
    path = os.path.join(BUILD, "cloister." + ("img" if name == "image" else "iso"))
    need(os.path.exists(path), "%s is not there" % path)
    return path


def disk(name, firmware):
    """Boots to both guests' logins, one behind the other, and powers them off."""
    def test(context):
        script = (ATTACH % ("demonstration guest 200s", "alpha") + LOGIN + ATTACH % ('"state":"poweroff" 60s', "beta") + LOGIN)
        run = context.boot(disk=built(name), firmware=firmware, script=script, timeout=600)
        run.expect_all_well(("alpha", "beta"))
    return test


def disk_tcg(name):
    def test(context):
        run = context.boot(disk=built(name), firmware="uefi", machine="qemu-tcg", timeout=400)
        run.expect_errors(r"cannot run: this (CPU has no VMX|is not an Intel CPU)")
        run.expect_end(1)
    return test


def register(suite):
    for firmware, cost in (("uefi", 8), ("bios", 3)):
        for model, label in ((SKYLAKE, "skylake"), (ICELAKE, "icelake"), (HASWELL, "haswell")):
            suite.add("boot-%s-%s" % (firmware, label), boot(firmware, model), cost)
    suite.add("boot-siblings-uefi", processors("uefi", "1:2:2", 4, 2), 15, wide=True)
    suite.add("boot-8-cpus-bios", processors("bios", "1:4:2", 8, 4), 15)
    suite.add("boot-2-cores-bios", processors("bios", "1:2:1", 2, 2), 5)
    suite.add("boot-framebuffer", framebuffer, 10)
    suite.add("boot-tcg-uefi", tcg("uefi"), 10)
    suite.add("boot-tcg-bios", tcg("bios"), 5)
    suite.add("image-bochs-uefi", disk("image", "uefi"), 30, wide=True)
    suite.add("image-bochs-bios", disk("image", "bios"), 31)
    suite.add("image-tcg", disk_tcg("image"), 15)
    suite.add("iso-bochs-bios", disk("iso", "bios"), 32)
