# SPDX-License-Identifier: MIT
"""The machine that tools/witness and tools/oracle look at: VMs that run the guest `secret`, and what is secret in it."""

import os
import shutil

import emulib

GUEST = "secret"
# What the guest's record says when its pattern is everywhere; one copy every 512 bytes of 2 MiB.
# The whole line: what of it still waits for the UART would have its CPU go to the scheduler for nobody's turn.
PLANTED = r'"label":"planted"[^\n]*\n'
COPIES = 4096
# Stands in the configuration file only: the hypervisor reads the file and keeps nothing of a comment.
REMARK = "remark-0f6e1c52-in-the-file"


# MiB: of each VM, and of the machine beside them.
MEMORY = 32
OWN_MEMORY = 64
DISK = 64 << 10  # bytes of an image


def machine_memory(vms):
    """MiB; a VM that does not fit is refused, and never plants anything."""
    return OWN_MEMORY + MEMORY * max(vms, 2)


class Vm:
    """@pattern: what the guest fills its memory with. The command line has it as digits, so each is a secret of its own."""

    def __init__(self, number):
        self.name = "vm%d" % number
        self.pattern = bytes((0x9e * (i + 1) + 0x35 * (number + 1) ^ 0xa5) & 0xff for i in range(16))
        self.cmdline = "pattern=%s" % self.pattern.hex()
        # What the guest puts into its registers, if told so; no memory holds it but by way of them.
        self.number = ~int.from_bytes(self.pattern[:4], "little") & 0xffffffff


def make(esp, count, words="", guest=GUEST, memory_mode="eager", vcpus=1, sets_policy=False, network=False, disk=None,
         **hypervisor):
    """Fills the directory @esp with a configuration of @count VMs and their guest; the VMs. @words: for all, or a list.
    @network: all are on one. @disk: "rw", all write one image, so that each has a copy if there are several; "ro", all read it."""
    keys = dict({"console": "com1", "mitigation": "asi", "debug-hypercalls": "on"}, **hypervisor)
    vms = [Vm(i) for i in range(count)]
    lines = ["# " + REMARK, "[hypervisor]"] + ["%s = %s" % item for item in keys.items()]
    for vm, own_words in zip(vms, words if isinstance(words, list) else [words] * count):
        lines += ["", "[vm %s]" % vm.name, "kernel = %s.bin" % guest, "format = flat", "memory = %dM" % MEMORY,
                  "memory-mode = " + memory_mode, "vcpus = %d" % vcpus, "set-policy = %s" % ("on" if sets_policy else "off"), "end-run = on",
                  "cmdline = %s %s" % (vm.cmdline, own_words)]
        if network:
            lines.append("net = lan0,mac=52:54:00:00:00:%02x" % (1 + vms.index(vm)))
        if disk:
            lines.append("disk = disk.img" + (",ro" if disk == "ro" else ""))
    if disk:
        with open(os.path.join(esp, "disk.img"), "wb") as out:
            out.write(bytes(DISK))
    with open(os.path.join(esp, "cloister.conf"), "w") as out:
        out.write("\n".join(lines) + "\n")
    shutil.copy(os.path.join(emulib.build_dir(), "guests", guest + ".bin"), esp)
    return vms
