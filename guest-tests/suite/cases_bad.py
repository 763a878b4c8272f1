# SPDX-License-Identifier: MIT
"""Bad inputs and machines that will not do: each is one clear line on the console, and a clean end."""

import os
import struct

from .harness import BUILD, Failure, Skip, config, flat, guest_file, need
from .boot_disk import uefi_disk

# Two VMs need two cores.
TWO_CORES = "1:2:2"
# What the last line says when nothing is left to run.
NOTHING_LEFT = r"cannot run: no VM can be started"
VMLINUZ, INITRD = os.path.join(BUILD, "linux/vmlinuz"), os.path.join(BUILD, "linux/initrd.img")
GOOD = dict(guest_file("calm"))


def linux(**more):
    return dict({"kernel": "vmlinuz", "cmdline": "console=ttyS0", "memory": "256M"}, **more)


def alone(conf, files, *errors, **options):
    """The only VM is bad: these error lines, end status 1."""
    def test(context):
        run = context.boot(conf, files, **options)
        run.expect_errors(*errors)
        need(not run.of_type("vm", state="running"), "a VM runs")
        run.expect_end(1)
    return test


def neighbour(section, files, error, state="refused"):
    """One VM is bad, the other runs to its end; the run as a whole has failed."""
    def test(context):
        conf = config({"bad": section, "good": flat("calm", "poweroff")})
        run = context.boot(conf, dict(files, **GOOD), smp=TWO_CORES)
        run.expect_errors(error)
        run.expect_vm("bad", state)
        run.expect_guest("calm", "good")
        run.expect_vm("good", "poweroff")
        run.expect_end(1)
    return test


def hypervisor_key(line, error):
    """A bad line in [hypervisor] leaves the default: said, and the VM runs."""
    def test(context):
        conf = config({"good": flat("calm", "poweroff")}).replace("[hypervisor]\n", "[hypervisor]\n%s\n" % line)
        run = context.boot(conf, GOOD)
        run.expect_errors(error)
        run.expect_guest("calm", "good")
    return test


def broken_kernel(change, error):
    """A VM whose Linux kernel file is damaged by @change(bytes)."""
    def test(context):
        if not os.path.exists(VMLINUZ):
            raise Skip("there is no build/linux/vmlinuz")
        with open(VMLINUZ, "rb") as f:
            data = change(f.read())
        neighbour(linux(), {"vmlinuz": data}, error)(context)
    return test


def corrupt_setup_sects(data):
    """A header whose set-up part reaches beyond the file."""
    short = bytearray(data[:64 << 10])
    short[0x1f1] = 255
    return bytes(short)


def ancient_protocol(data):
    old = bytearray(data)
    struct.pack_into("<H", old, 0x206, 0x0203)
    return bytes(old)


def on_machine(error, **options):
    """A good configuration on a machine that cannot do it."""
    def test(context):
        run = context.boot(config({"t": flat("calm")}), guest_file("calm"), **options)
        run.expect_errors(error)
        need(not run.of_type("vm", state="running"), "a VM runs")
        run.expect_end(1)
    return test


def locked_off(context):
    """GRUB's wrmsr writes IA32_FEATURE_CONTROL as firmware does that locks VMX off; OVMF leaves it open here."""
    if not os.path.exists("/usr/lib/grub/x86_64-efi/wrmsr.mod"):
        raise Skip("there is no GRUB for UEFI with a wrmsr command")
    files = {"cloister.conf": config({"t": flat("calm")}).encode(), "calm.bin": guest_file("calm")["calm.bin"]}
    run = context.boot(disk=uefi_disk(context, files, "wrmsr 0x3a 0x1"), firmware="uefi")
    run.expect_errors(r"VMX is locked off by the firmware")
    run.expect_end(1)


def no_file(context):
    """Without cloister.conf, by both loaders."""
    for firmware in ("bios", "uefi"):
        run = context.boot(None, guest_file("calm"), firmware=firmware)
        run.expect_errors(r"there is no cloister.conf")
        run.expect_end(1)


def missing_by_uefi(context):
    """The UEFI loader looks for the files by itself: it must tell the missing ones too."""
    vms = {"bad": linux(initrd="nothing.img"), "good": flat("calm", "poweroff")}
    run = context.boot(config(vms), dict(GOOD), firmware="uefi", smp=TWO_CORES)
    run.expect_errors(r"cloister.conf:\d+: \[vm bad\] kernel = vmlinuz is not on the boot medium")
    run.expect_guest("calm", "good")
    run.expect_end(1)


def binary_conf(context):
    """A configuration that is no text at all."""
    run = context.boot(bytes(range(256)) * 40, guest_file("calm"))
    need(run.of_type("error"), "no error line")
    need(not run.of_type("vm", state="running"), "a VM runs")
    run.expect_end(1)


def register(suite):
    calm, bad = guest_file("calm"), flat("calm")
    head = "[hypervisor]\nconsole = com1\n"
    add = suite.add
    add("bad-no-conf", no_file, cost=12)
    add("bad-conf-empty", alone("", calm, r"cloister.conf:\d+: names no VM", NOTHING_LEFT))
    add("bad-conf-no-vm", alone(head, calm, r"cloister.conf:\d+: names no VM", NOTHING_LEFT))
    add("bad-conf-binary", binary_conf)
    add("bad-conf-line", alone(head + "[vm t]\nkernel calm.bin\n", calm,
                               r"cloister.conf:4: \[vm t\] kernel calm.bin is not a setting; write key = value",
                               NOTHING_LEFT))
    add("bad-conf-value", alone(head + "[vm t]\nkernel = calm.bin\nformat = flat\nmemory = 3X\n", calm,
                                r"cloister.conf:6: \[vm t\] memory = 3X .*allowed: ", NOTHING_LEFT))
    add("bad-key-hypervisor", hypervisor_key("colour = red", r"cloister.conf:2: .*colour.*allowed: "))
    add("bad-value-hypervisor", hypervisor_key("timer = sundial", r"cloister.conf:2: .*timer = sundial.*allowed: "))
    add("bad-key-vm", neighbour(dict(bad, colour="red"), {}, r"cloister.conf:\d+: \[vm bad\].*colour.*allowed: "))
    add("bad-no-kernel-key", neighbour({"memory": "32M"}, {}, r"cloister.conf:\d+: \[vm bad\] has no kernel"))
    missing = r"cloister.conf:\d+: \[vm bad\] %s is not on the boot medium"
    add("bad-kernel-missing", neighbour(dict(bad, kernel="nowhere.bin"), {}, missing % "kernel = nowhere.bin"))
    add("bad-initrd-missing", neighbour(linux(initrd="nowhere.img"), {"vmlinuz": VMLINUZ},
                                        missing % "initrd = nowhere.img"))
    add("bad-files-missing-uefi", missing_by_uefi, cost=12, wide=True)
    add("bad-kernel-text", neighbour(linux(), {"vmlinuz": b"not a kernel at all\n" * 999},
                                     r"kernel = vmlinuz is no kernel that Cloister knows"))
    add("bad-kernel-text-linux", neighbour(linux(format="linux"), {"vmlinuz": b"not a kernel at all\n" * 999},
                                           r"kernel = vmlinuz is not a Linux kernel"))
    add("bad-kernel-empty", neighbour(linux(), {"vmlinuz": b""}, r"kernel = vmlinuz is"))
    add("bad-kernel-tiny", neighbour(linux(), {"vmlinuz": b"MZ"}, r"kernel = vmlinuz is"))
    add("bad-kernel-elf", neighbour(linux(format="linux"), {"vmlinuz": b"\177ELF" + bytes(8192)}, r"is an ELF file"))
    add("bad-kernel-truncated", broken_kernel(lambda d: d[:len(d) // 2], r"is truncated: .*promises"))
    add("bad-kernel-setup-only", broken_kernel(lambda d: d[:0x400], r"kernel = vmlinuz is"))
    add("bad-kernel-corrupt-header", broken_kernel(corrupt_setup_sects, r"kernel = vmlinuz (is|has)"))
    add("bad-kernel-ancient", broken_kernel(ancient_protocol, r"64-bit"))
    add("bad-memory-too-little", neighbour(linux(memory="16M"), {"vmlinuz": VMLINUZ},
                                           r"kernel = vmlinuz .*MiB of memory, the VM has 16 MiB: raise memory ="))
    add("bad-memory-too-much", neighbour(dict(bad, memory="8G"), {},
                                         r"\[vm bad\] wants 8192 MiB of memory, \d+ MiB are free: lower memory ="))
    add("bad-flat-too-large", neighbour(flat("big", memory="2M"), {"big.bin": b"\xf4" * (3 << 20)},
                                        r"kernel = big.bin is a flat image .* does not fit"))
    add("bad-cpu-too-few", alone_cpu)

    add("machine-no-vmx", on_machine(r"cannot run: this CPU has no VMX", exclude_features="vmx"))
    add("machine-no-vmx-uefi", on_machine(r"cannot run: this CPU has no VMX", exclude_features="vmx",
                                          firmware="uefi"), cost=8)
    add("machine-no-vmx-model", on_machine(r"cannot run: this CPU has no VMX", model="p4_prescott_celeron_336"))
    add("machine-no-ept", on_machine(r"cannot run: this CPU has no EPT", model="core2_penryn_t9600"))
    add("machine-no-unrestricted-guest", on_machine(r"cannot run: this CPU has no unrestricted guest",
                                                    model="corei5_lynnfield_750"))
    add("machine-amd", on_machine(r"cannot run: this is not an Intel CPU", model="ryzen"))
    add("machine-vmx-locked-off", locked_off, cost=12)
    add("machine-32-bit", old_cpu)
    add("machine-little-memory", little_memory)


def alone_cpu(context):
    """A VM with more vCPUs than there are CPUs for it."""
    vms = {"good": flat("calm", "poweroff"), "late": flat("calm", "poweroff", vcpus=2, cpus="0, 7")}
    run = context.boot(config(vms), guest_file("calm"))
    run.expect_errors(r"\[vm late\] wants 2 CPUs, 1 are there for it: lower vcpus = or change cpus =")
    run.expect_vm("late", "refused")
    run.expect_vm("good", "poweroff")
    run.expect_end(1)


def old_cpu(context):
    """A CPU without long mode: the multiboot2 entry has to say so in 32-bit code."""
    run = context.boot(config({"t": flat("calm")}), guest_file("calm"), model="core_duo_t2400_yonah", timeout=120)
    need("64-bit" in run.text or "long mode" in run.text, "the console does not say what is missing")
    if run.status == 0:
        raise Failure("the run is called a success")


def little_memory(context):
    """A machine of 64 MiB, a VM of the same size."""
    run = context.boot(config({"t": flat("calm", memory="64M")}), guest_file("calm"), mem=64)
    need(run.of_type("error"), "no error line")
    need(not run.of_type("vm", state="running"), "a VM runs")
    run.expect_end(1)
