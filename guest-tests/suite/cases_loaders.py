# SPDX-License-Identifier: MIT
"""Kernels that are no bzImage: PVH and multiboot, with their modules; what does not fit is said in one line."""

import os
import struct

from .cases_bad import neighbour
from .cases_build import variant
from .cases_life import monitor
from .cases_linux import FILES, check_restricted, section, session
from .harness import BUILD, ROOT, Skip, config, flat, guest_file, need

FIRST, SECOND, INITRD = 5000, 300 << 10, 70000
GUESTS = os.path.join(BUILD, "guests")


def pattern(index, size):
    """What the guest expects of module @index: each byte made of its position."""
    return bytes((i * 7 + i // 256 + index) & 0xff for i in range(size))


MODULES = {"a.img": pattern(1, FIRST), "b.img": pattern(2, SECOND), "initrd.img": pattern(0, INITRD)}


def boot32(kind, firmware="bios", **more):
    """The test guest that starts in 32-bit mode, as @kind of file; without format = its magic decides."""
    def test(context):
        words = "all-of-it memory=32 first=%d second=%d initrd=%d" % (FIRST, SECOND, INITRD)
        vm = {"kernel": "boot32." + kind, "memory": "32M", "cmdline": words, "modules": "a.img one two, b.img"}
        if kind == "pvh":
            vm.update(cmdline=words + " pvh", initrd="initrd.img")
        path = os.path.join(GUESTS, vm["kernel"])
        run = context.boot(config({"t": dict(vm, **more)}), dict(MODULES, **{vm["kernel"]: path}), firmware=firmware)
        run.expect_guest("boot32")
        run.expect_errors()
        run.expect_end(0)
    return test


def pvh_linux(context):
    """Debian's own kernel, taken out of its bzImage, by its PVH entry point."""
    for path in FILES.values():
        if not os.path.exists(path):
            raise Skip("%s is not there: run make setup" % os.path.relpath(path, ROOT))
    vmlinux = os.path.join(context.dir, "vmlinux")
    status, _ = context.command([os.path.join(ROOT, "tools/vmlinux"), FILES["vmlinuz"], vmlinux])
    need(status == 0, "tools/vmlinux failed")
    vm = {"kernel": "vmlinux", "initrd": "initrd.img", "cmdline": "console=ttyS0 quiet", "memory": "256M"}
    run = context.boot(config({"linux": vm}), {"vmlinux": vmlinux, "initrd.img": FILES["initrd.img"]}, timeout=600,
                       script=session(["uname", "work"]) + "send poweroff -f\n")
    os.remove(vmlinux)
    need("x86_64 GNU/Linux" in section(run, "uname"), "uname says %r" % section(run, "uname"))
    run.expect_vm("linux", "poweroff")
    run.expect_errors()
    run.expect_end(0)
    check_restricted(run)


def leaves_behind(context):
    """The loader program's calls, memory and files are of no use to the kernel, in any of its lives."""
    run = context.boot(config({"t": flat("loader", "reboot", "4M")}), guest_file("loader"),
                       script='expect "starts":4\n' + monitor("audit -> \\n.*: 0 violations", "stop t -> the operator wants it") + "send end\n")
    need(not run.failures_of(), "%s" % run.failures_of()[:1])
    passed = [line for line in run.guest_lines() if line.startswith("ok ")]
    need(len(passed) >= 3 * 8, "it looked at %d things" % len(passed))
    run.expect_end(0)


def hostile_program(context):
    """A loader program that its files have taken over fails with any bytes, and no end: the sentence is cut off, and made printable."""
    folder = variant(context, "hostile_loader", "BREAK=hostile_loader")
    run = context.boot(config({"t": flat("calm")}), guest_file("calm"), build=folder)
    run.expect_errors(r"^cloister.conf:\d+: \[vm t\] kernel = calm.bin [ -~]{159}$")
    run.expect_vm("t", "refused")
    need(not run.of_type("vm", state="running"), "it runs")
    run.expect_end(1)


def read(name):
    with open(os.path.join(GUESTS, name), "rb") as f:
        return f.read()


def bad(kind, change, error, **more):
    """A damaged or unfit file beside a good VM."""
    def test(context):
        name = "boot32." + kind
        section_ = dict({"kernel": name, "memory": "32M"}, **more)
        neighbour(section_, {name: change(read(name))}, error)(context)
    return test


def patched(offset, form, value):
    def change(data):
        out = bytearray(data)
        struct.pack_into(form, out, offset, value)
        return bytes(out)
    return change


def same(data):
    return data


def register(suite):
    add = suite.add
    add("loader-multiboot-elf", boot32("elf32"))
    add("loader-multiboot-addresses", boot32("addresses", format="multiboot"))
    add("loader-multiboot-lazy", boot32("elf32", memory_mode="lazy"))
    add("loader-pvh", boot32("pvh"))
    add("loader-pvh-uefi", boot32("pvh", "uefi", format="pvh"), 10)
    add("loader-pvh-linux", pvh_linux, 45, wide=True)
    add("loader-leaves-behind", leaves_behind, 5)
    add("loader-hostile-program", hostile_program, 15)
    kernel = r"cloister.conf:\d+: \[vm bad\] kernel = boot32\.\w+ "
    add("loader-bad-truncated", bad("pvh", lambda d: d[:0x2000], kernel + "is truncated: a segment"))
    add("loader-bad-header", bad("elf32", lambda d: d[:40], kernel + "is truncated within its ELF header",
                                 format="pvh"))
    # ELF64's machine and first program header's physical address.
    add("loader-bad-machine", bad("pvh", patched(18, "<H", 183), kernel + r"is an ELF file for another machine",
                                  format="pvh"))
    add("loader-bad-below-1-MiB", bad("elf32", patched(52 + 12, "<I", 0x7000), kernel + r".*0x7000, below 1 MiB"))
    add("loader-bad-outside", bad("elf32", patched(52 + 12, "<I", 31 << 20 | 0xff000), kernel + r".*outside the VM's"))
    add("loader-bad-no-note", bad("elf32", same, kernel + "has no PVH entry point", format="pvh"))
    add("loader-bad-no-header", bad("pvh", same, kernel + "has no multiboot header", format="multiboot"))
    add("loader-bad-unknown", bad("pvh", lambda d: bytes(9000), kernel + "is no kernel that Cloister knows"))
    add("loader-bad-modules-format", bad("addresses", same, kernel + "takes no modules", format="flat",
                                         modules="boot32.addresses"))
    add("loader-bad-module-missing", bad("elf32", same, r"\[vm bad\] modules = nowhere.img is not on the boot medium",
                                         modules="boot32.elf32, nowhere.img with text"))
    add("loader-bad-module-too-large", bad("elf32", lambda d: d + bytes(3 << 20),
                                           kernel + "and its modules need 5 MiB of memory, the VM has 4 MiB",
                                           memory="4M", modules="boot32.elf32, boot32.elf32"))
