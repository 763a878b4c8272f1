# SPDX-License-Identifier: MIT
"""What an outer KVM does for an exit of the inner guest's: how many exits of its own, by its own statistics, and how many
ticks, against a hypervisor that answers each exit by VMRESUME and nothing else."""

import os
import re

from .harness import BUILD, ROOT, Failure, config, emulib, flat, guest_file

import nestedlib  # noqa: E402
import qemu  # noqa: E402

ROUNDS = 5000
STATISTICS = "/sys/kernel/debug/kvm"
MACHINE = "q35-bios-disk-1:1:1"


def bare_disk():
    """The disk of the smallest hypervisor."""
    disk = os.path.join(BUILD, "rounds.img")
    emulib.run_quietly(["nasm", "-f", "bin", "-DROUNDS=%d" % ROUNDS, "guest-tests/selfcheck/selfcheck.asm", "-o", disk], cwd=ROOT)
    return disk


def exits(outer):
    """Exits so far, but for the outer system's own interrupts."""
    status, text = outer.command("cat %s/exits %s/irq_exits" % (STATISTICS, STATISTICS))
    numbers = [int(n) for n in text.split()]
    if status or len(numbers) != 2:
        raise Failure("the outer KVM's statistics cannot be read: %s" % text)
    return numbers[0] - numbers[1]


def follow(outer, job):
    """{kind: exits for all its rounds}, {kind: ticks}: exits are what passes between two waits for a key."""
    text, at, found, ticks, kind, before = "", 0, {}, {}, None, 0
    while kind != "end":
        text += emulib.plain(job.read(0.05))
        if job.poll() is not None:
            raise Failure("the machine ended: %s" % text[-500:])
        match = re.compile(r"ready for (\S+)\r?\n").search(text, at)
        if not match:
            continue
        now = exits(outer)
        if kind:
            found[kind] = now - before
            took = re.search(r"(\d+) ticks", text[at:match.end()])
            ticks[kind] = int(took.group(1)) if took else 0
        at, kind, before = match.end(), match.group(1), now
        job.write(b"x")
    job.wait(nestedlib.END_SECONDS)
    return found, ticks


def rounds(outer, media):
    """{kind: {exits, ticks}} a round of a machine that boots from @media."""
    found, ticks = follow(outer, outer.start(qemu.Machine.parse(MACHINE), media, False))
    nothing = found.pop("nothing")
    return {kind: {"exits": (number - nothing) / ROUNDS, "ticks": ticks[kind] / ROUNDS} for kind, number in found.items()}


def measure(context, policy="asi"):
    """{kind: {exits, ticks}} a round: "bare" and each kind of Cloister's."""
    esp = os.path.join(context.dir, "esp")
    os.makedirs(esp, exist_ok=True)
    conf = config({"t": flat("rounds", "poweroff rounds=%d" % ROUNDS)}, mitigation=policy)
    with open(os.path.join(esp, "cloister.conf"), "w") as out:
        out.write(conf)
    os.symlink(guest_file("rounds")["rounds.bin"], os.path.join(esp, "rounds.bin"))
    disk = bare_disk()
    outer = nestedlib.Outer(extra=[disk])
    try:
        outer.must("mount -t debugfs debugfs /sys/kernel/debug; mkdir -p %s" % nestedlib.JOB)
        found = rounds(outer, [outer.baked[nestedlib.digest(disk)]])
        found.update(rounds(outer, outer.medium(esp, qemu.Machine.parse(MACHINE))))
    finally:
        outer.close()
    return found
