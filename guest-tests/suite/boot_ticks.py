# SPDX-License-Identifier: MIT
"""Ticks of a Linux boot, from the kernel's entry to the first instruction of its first process: as a VM and natively.

The debugger's clock is the emulator's own, which counts on whatever time stamps a guest is shown. Both boots begin with the
same firmware and GRUB, and have the same kernel, initial RAM file system, command line, memory and CPU model. The kernel stays
where it is linked (nokaslr), so that no random number decides how much it has to relocate."""

import os
import struct
import sys

from . import cases_linux, harness

sys.path.insert(0, os.path.join(harness.ROOT, "tools"))
import bochsdbg  # noqa: E402
import emulib  # noqa: E402
import recordlib  # noqa: E402

# startup_64 of a bzImage that is loaded where it prefers to be: GRUB enters 0x200 before it in 32-bit mode, Cloister here.
ENTRY = 0x1000200
PROCESS = 0x13370000
COMMAND_LINE = "console=ttyS0 quiet nokaslr rdinit=/first"
MEMORY = 256
OWN_MEMORY = 256  # what the machine has besides, for the hypervisor and the boot files
TIMEOUT = 1200
STOPS = 16


def initrd(context):
    """The demonstration's, and behind it an archive with the first process."""
    work = os.path.join(context.dir, "first")
    os.makedirs(work)
    for command in (["nasm", "-f", "elf64", os.path.join(harness.ROOT, "guest-tests/linux/first.asm"), "-o", "first.o"],
                    ["ld", "--build-id=none", "-z", "noseparate-code", "-Ttext=0x%x" % PROCESS, "-o", "first", "first.o"],
                    ["sh", "-c", "echo first | cpio -o -H newc --quiet -R 0:0 > first.cpio"]):
        if context.command(command, cwd=work)[0]:
            raise harness.Failure("%s failed" % command[0])
    path = os.path.join(work, "initrd.img")
    with open(path, "wb") as out:
        for part in (cases_linux.FILES["initrd.img"], os.path.join(work, "first.cpio")):
            with open(part, "rb") as f:
                out.write(f.read())
    return path


def kernel_code():
    """What stands at the kernel's entry; the hypervisor, too, may be at this address at some time."""
    with open(cases_linux.FILES["vmlinuz"], "rb") as f:
        image = f.read(1 << 20)
    start = (image[0x1f1] + 1) * 512
    if struct.unpack_from("<Q", image, 0x258)[0] != ENTRY - 0x200:
        raise harness.Failure("the kernel does not want to be loaded at 0x%x" % (ENTRY - 0x200))
    return image[start + 0x200:start + 0x210]


def follow(machine):
    """Ticks from the entry to the first process."""
    code = kernel_code()
    for _ in range(STOPS):
        machine.run_to_linear(ENTRY)
        if machine.linear(0, ENTRY, len(code)) == code:
            break
    else:
        raise harness.Failure("the kernel's entry was not reached")
    start = machine.tick()
    machine.run_to_linear(PROCESS)
    return machine.tick() - start


def run_to_end(machine):
    """The hypervisor's processor halts for good then, and the debugger does not answer any more."""
    try:
        while '"type":"end"' not in machine.serial():
            machine.run_for(20000000)
    except bochsdbg.DebuggerError:
        if not machine.ended:
            raise


def native(context, files):
    disk = os.path.join(context.dir, "native.img")
    commands = ["linux /vmlinuz " + COMMAND_LINE, "initrd /initrd.img"]
    emulib.grub_disk(disk, context.dir, files, commands, "linux")
    try:
        with bochsdbg.Debugger(None, disk=disk, mem=MEMORY, timeout=TIMEOUT) as machine:
            return follow(machine)
    finally:
        os.unlink(disk)


def hosted(context, files, policy):
    """Ticks, and the statistics of the whole life of the VM, which powers off a moment later."""
    conf = harness.config({"linux": {"kernel": "vmlinuz", "initrd": "initrd.img", "cmdline": COMMAND_LINE,
                                     "memory": "%dM" % MEMORY}}, mitigation=policy)
    esp = os.path.join(context.dir, "esp-" + policy)
    os.makedirs(esp)
    for name, path in files.items():
        os.symlink(path, os.path.join(esp, name))
    with open(os.path.join(esp, "cloister.conf"), "w") as out:
        out.write(conf)
    with bochsdbg.Debugger(esp, mem=MEMORY + OWN_MEMORY, timeout=TIMEOUT) as machine:
        ticks = follow(machine)
        run_to_end(machine)
        context.note(machine.serial())
        stats = [r for r in recordlib.parse(machine.serial()) if r["type"] == "stats"]
    if len(stats) != 1:
        raise harness.Failure("%d stats records, want one" % len(stats))
    return ticks, stats[0]


def measure(context, policies):
    files = {"vmlinuz": cases_linux.FILES["vmlinuz"], "initrd.img": initrd(context)}
    results = {"native": native(context, files), "policies": {}}
    for policy in policies:
        ticks, stats = hosted(context, files, policy)
        results["policies"][policy] = {
            "ticks": ticks, "more": round(100.0 * ticks / results["native"] - 100, 2), "hypervisor": sum(stats["ticks"].values()),
            "halted": stats["halted_ticks"], "exits": stats["exits"], "exit_ticks": stats["ticks"]}
    return results
