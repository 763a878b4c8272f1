# SPDX-License-Identifier: MIT
"""PCI and virtio: what a bare-metal driver and Debian's own find, what is shared by whom, what a request costs."""

import hashlib
import os
import random
import struct

from .cases_guests import ARRANDALE
from .cases_life import boot as life, monitor
from .cases_linux import EXPECTED_WARNINGS, FILES, PRINT, boot, re
from .harness import BUILD, ROOT, Skip, config, flat, guest_file, need

SECTORS = 128
BLOCKS = 2048
ROUNDS = {1: 2000, 16: 250}
BARS = {1: 1200, 16: 300}
MORE = 4
COPY = 512  # instructions that move 4 KiB, and are not counted


def sectors():
    """An image whose sectors begin with their numbers."""
    return b"".join(struct.pack("<Q", i) + bytes([0x11]) * 504 for i in range(SECTORS))


def marks(run):
    return {r["label"]: r["value"] for r in run.of_type("bench")}


def guest(context):
    """The guest's own checks; all that it does with disk and numbers stays restricted; what a request costs."""
    run = context.boot(config({"t": flat("virtio", disk="a.img")}), dict(guest_file("virtio"), **{"a.img": sectors()}))
    run.expect_guest("virtio")
    run.expect_errors("virtio-blk waits for a reset: its driver broke the rules")
    run.expect_end(0)
    audit = run.expect_audits(1)[0]
    need(audit["bytes"]["disk"] == SECTORS * 512, "the audit sees %d bytes of disks" % audit["bytes"]["disk"])
    for depth, bar in BARS.items():
        value = marks(run)["virtio-blk-4k-depth-%d" % depth]
        need(value <= bar, "%d instructions a request at depth %d, want %d" % (value, depth, bar))
    context.remark = "%(virtio-blk-4k-depth-1)d and %(virtio-blk-4k-depth-16)d instructions a request" % marks(run)


def sharing(context):
    """Two VMs write one image, each its own copy; two others read another in common; one that breaks its rings harms nobody."""
    vms = {"a": flat("virtio", "poweroff", disk="a.img"), "b": flat("virtio", "poweroff", disk="a.img"),
           "c": flat("virtio", "read-only poweroff", disk="c.img,ro"),
           "d": flat("virtio", "read-only poweroff", disk="c.img,ro")}
    run = context.boot(config(vms), dict(guest_file("virtio"), **{"a.img": sectors(), "c.img": sectors()}))
    for vm in vms:
        run.expect_guest("virtio", vm)
        need("[%s] expect a new disk" % vm in run.text, "%s sees what another wrote" % vm)
        run.expect_vm(vm, "poweroff")
    run.expect_end(0)
    audit = run.expect_audits(1)[0]
    need(audit["bytes"]["disk"] == 2 * (2 << 20) + 2 * SECTORS * 512, "%d bytes of disks" % audit["bytes"]["disk"])


def refused(context):
    """What is wrong with a disk is said in one line, and the other VM goes on."""
    vms = {"a": flat("virtio", disk="none.img"), "b": flat("virtio", disk="short.img"), "c": flat("calm", "poweroff")}
    run = context.boot(config(vms), dict(guest_file("virtio"), **guest_file("calm"), **{"short.img": b"x" * 100}))
    run.expect_errors(r"\[vm a\] disk = none.img is not on the boot medium", r"\[vm b\] disk = short.img is no disk image")
    run.expect_vm("a", "refused", "disk")
    run.expect_vm("c", "poweroff")
    run.expect_end(1)


def no_numbers(context):
    """A CPU without RDRAND: one line, no device."""
    run = context.boot(config({"t": flat("calm")}), guest_file("calm"), model=ARRANDALE)
    run.expect_end(0)
    need("has no virtio-rng: this CPU lacks RDRAND" in run.text, "nothing is said of the missing numbers")


CYCLES = 10


def lives(run, vm, count):
    """Each life found what the one before wrote, none anything else; as much memory was free for each."""
    need(not run.failures_of(vm), "%s: %s" % (vm, run.failures_of(vm)[:2]))
    seen = [line for line in run.guest_lines(vm) if line.startswith("life ")]
    need(seen == ["life %d of %s" % (i + 1, vm) for i in range(count)], "the disk says %s" % seen)


def outlasts(names, size):
    """What a VM writes outlasts its own reboot and the operator's reset, stop and start; no memory is lost. @names: the VMs
    that write the image, each its own copy if there are two."""
    def test(context):
        a, others = names[0], names[1:]
        vms = {name: flat("virtio", "lives=" + name, "4M", disk="disk.img") for name in names}
        running = "\"vm\":\"%s\",\"state\":\"running\""
        gone = [("stop a", "\"vm\":\"a\",\"state\":\"stopped\"", None), ("vms", "memory: \\d+ KiB of", None)]
        steps = [("reset a", running % "a", "life 3 of a")]
        for i in range(CYCLES):
            steps += gone + [("start a", running % "a", "life %d of a" % (4 + i))]
        steps += [("restart " + name, running % name, "life 3 of " + name) for name in others]
        # Who comes to its second life first is nobody's business.
        script = "expect life 2 of \\w\\r?\\n" + "[\\s\\S]*life 2 of \\w\\r?\\n" * len(others) + "\n" + monitor()
        for command, answer, then in steps + [("audit", "\\n.*: 0 violations", None)]:
            script += "send %s\nexpect %s\nexpect cloister> \n" % (command, answer) + ("expect %s\n" % then if then else "")
        run = life(context, vms, script + "send end\n", ("virtio",), files={"disk.img": b"\xd1" * size})
        lives(run, "a", 3 + CYCLES)
        for name in others:
            lives(run, name, 3)
        gone = [int(n) for n in re.findall(r"memory: (\d+) KiB of", run.text)]
        need(len(gone) == CYCLES and len(set(gone)) == 1, "free while it was gone: %s" % gone)
        free = [r["free"] for r in run.of_type("vm", vm="a", state="running")]
        need(len(set(free[1:])) == 1, "free while it ran: %s" % free)
        context.note("free %s\n" % free)
        run.expect_audits(1)
        run.expect_end(0)
    return test


def ticks(stats):
    return sum(stats["ticks"].values())


def linux(context, console="uart"):
    """Debian's drivers find the devices and are content; data arrives and stays; what a request costs them."""
    for path in FILES.values():
        if not os.path.exists(path):
            raise Skip("%s is not there: run make setup" % os.path.relpath(path, ROOT))
    image = random.Random(7).randbytes(BLOCKS * 4096)
    name = os.path.join(context.dir, "disk.img")
    with open(name, "wb") as out:
        out.write(image)
    sections = {
        "devices": "cat /sys/bus/virtio/devices/*/device; cat /sys/class/misc/hw_random/rng_current",
        "numbers": "dd if=/dev/hwrng bs=32 count=1 2> /dev/null | md5sum",
        "read": "md5sum < /dev/vda; md5sum < /dev/vdb",
        "write": "dd if=/dev/vdb of=/dev/vda bs=64k seek=16 count=64 conv=fsync; echo 3 > /proc/sys/vm/drop_caches; "
                 "md5sum < /dev/vda; dd if=/dev/zero of=/dev/vdb count=1",
        "discard": "blkdiscard -o 4096 -l 8192 /dev/vda; dd if=/dev/vda bs=4096 skip=1 count=2 2> /dev/null | md5sum",
        "interrupts": "cat /proc/interrupts",
        "load1": "blkload /dev/vda 1 %d; echo $?" % ROUNDS[1],
        "load1-more": "blkload /dev/vda 1 %d; echo $?" % (MORE * ROUNDS[1]),
        "load16": "blkload /dev/vda 16 %d; echo $?" % ROUNDS[16],
        "load16-more": "blkload /dev/vda 16 %d; echo $?" % (MORE * ROUNDS[16]),
        "warnings": "dmesg -r | grep '^<[0-4]>' | sed 's/^/w/'",
    }
    script = "expect login: 400s\nsend root\nexpect # 120s\n"
    stats = "press ^]\nexpect cloister> 60s\nsend stats\nexpect \"type\":\"stats\" 60s\nsend exit\n"
    for key, command in sections.items():
        measured = key.startswith("load")
        script += (stats if measured else "") + PRINT % (key, command, key, key) + (stats if measured else "")
    tty = "ttyS0" if console == "uart" else "hvc0"
    vm = {"disk": "disk.img\ndisk = ro.img,ro", "cmdline": "console=ttyS0 console=%s quiet" % tty, "console": console}
    files = dict(FILES, **{"disk.img": name, "ro.img": image[::-1]})
    keys = dict({"kernel": "vmlinuz", "initrd": "initrd.img", "memory": "256M"}, **vm)
    run = context.boot(config({"linux": keys}), files, script=script + "send poweroff -f\n", timeout=900)
    run.expect_vm("linux", "poweroff")
    run.expect_errors()
    run.expect_end(0)

    def section(key):
        match = re.search(r"^A-%s\r?\n(.*?)^Z-%s\r?$" % (key, key), run.text, re.S | re.M)
        need(match, "the output of %r is not on the console" % sections[key])
        return match.group(1)

    kinds = [4] + ([3] if console == "virtio" else []) + [2, 2]
    need(re.findall(r"0x000(\d)", section("devices")) == [str(k) for k in kinds], "devices: %s" % section("devices"))
    need("virtio_rng.0" in section("devices"), "the random numbers are not the device's")
    need(hashlib.md5(b"").hexdigest() not in section("numbers"), "no random numbers")
    for data in (image, image[::-1]):
        need(hashlib.md5(data).hexdigest() in section("read"), "a disk reads as something else")
    part = 64 << 16
    image = image[:1 << 20] + image[::-1][:part] + image[(1 << 20) + part:]
    need(hashlib.md5(image).hexdigest() in section("write"), "what was written is not what is read")
    need("not permitted" in section("write"), "the read-only disk was written")
    need(hashlib.md5(bytes(8192)).hexdigest() in section("discard"), "what was discarded is there")
    need(re.search(r"[1-9]\d*\s+PCI-MSI.*req", section("interrupts")), "no MSI-X interrupts: %s" % section("interrupts"))
    warnings = [line for line in section("warnings").splitlines()
                if line.startswith("w<") and not any(re.search(e, line) for e in EXPECTED_WARNINGS)]
    need(not warnings, "dmesg has %d warnings: %s" % (len(warnings), warnings[:4]))
    for record in run.of_type("escalation"):
        need(record["cause"] in ("vm-state", "schedule", "split"), "Linux caused the escalation %s" % record)
    figures = {}
    stats = iter(run.of_type("stats", vm="linux"))
    for depth in ROUNDS:
        spent = []
        for name in ("load%d" % depth, "load%d-more" % depth):
            need("0" in section(name).split(), "blkload failed: %s" % section(name))
            before, after = ticks(next(stats)), ticks(next(stats))
            spent.append(after - before)
        # What the console and the start of the program take is in both.
        figures[depth] = (spent[1] - spent[0]) / ((MORE - 1) * ROUNDS[depth] * depth) - COPY
    context.remark = "%d and %d instructions a request, interrupts and timer included" % (figures[1], figures[16])
    for depth, bar in BARS.items():
        need(figures[depth] <= bar, "%d instructions a request of Linux at depth %d, want %d" % (figures[depth], depth, bar))


def fuzz(context):
    """The fuzzer as a hostile guest, for a short while."""
    fuzzer = os.path.join(BUILD, "fuzz", "fuzz_virtio")
    status, text = context.command(["make", "-C", ROOT, "BUILD=" + BUILD, fuzzer], timeout=300)
    need(status == 0, "the fuzzer cannot be built")
    corpus = os.path.join(context.dir, "corpus")
    os.mkdir(corpus)
    status, text = context.command([fuzzer, "-max_total_time=8", "-max_len=1024", "-len_control=10", "-timeout=10",
                                    "-print_final_stats=1", "-artifact_prefix=" + corpus + "/", corpus])
    need(status == 0, "the fuzzer found something: see the log")
    runs = re.search(r"stat::number_of_executed_units: (\d+)", text)
    need(runs and int(runs.group(1)) > 1000, "it hardly ran")


def register(suite):
    suite.add("virtio-guest", guest, 3)
    suite.add("virtio-sharing", sharing, 5)
    suite.add("virtio-outlasts", outlasts("a", (3 << 20) + 512), 10)
    suite.add("virtio-outlasts-copies", outlasts("ab", (3 << 20) + 512), 15)
    suite.add("virtio-refused", refused, 3)
    suite.add("virtio-no-numbers", no_numbers, 3)
    suite.add("virtio-linux", linux, 60, wide=True)
    suite.add("virtio-linux-console", lambda context: linux(context, "virtio"), 60)
    suite.add("virtio-fuzz", fuzz, 20)
