# SPDX-License-Identifier: MIT
"""Where NMIs hit the hypervisor, against what it executed: both as addresses of instructions (docs/CHECKS.md, under fire)."""

import os
import re
import shutil
import subprocess
import sys

from .harness import ROOT

sys.path.insert(0, os.path.join(ROOT, "tools"))
import bochsdbg  # noqa: E402
import pagewalk  # noqa: E402

DISTANCE = re.compile(r"\+([0-9a-f]+);|([a-zA-Z])")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
EXECUTED = re.compile(rb"^\((\d+)\)\.\[\d+\] \[0x[0-9a-f]+\] [0-9a-f]{4}:(ffffffff8[0-9a-f]{7}) ")
# Nothing is executed behind these but by a jump.
ENDS = ("jmp", "ret", "retq", "iretq", "ud2", "hlt", "vmresume", "vmlaunch")
TRACE_SLICE = 400000


class Text:
    """The instructions of an image: address -> (function, text), and which of them begins where."""

    def __init__(self, elf):
        listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", elf], stdout=subprocess.PIPE, text=True,
                                 check=True).stdout
        self.code, self.following, self.targets, name, last = {}, {}, set(), "", None
        for line in listing.splitlines():
            symbol = re.match(r"[0-9a-f]+ <(.*)>:$", line)
            found = re.match(r" *([0-9a-f]+):\t(.*)$", line)
            if symbol:
                name = symbol.group(1)
                self.targets.add(int(line.split()[0], 16))
            elif found:
                address = int(found.group(1), 16)
                self.code[address] = (name, found.group(2).strip())
                if last is not None:
                    self.following[last] = address
                last = address
                jump = re.match(r"(?:j\w+|call) +([0-9a-f]+) ", found.group(2))
                if jump:
                    self.targets.add(int(jump.group(1), 16))

    def function(self, address):
        """Without the parts that the compiler and NASM's local labels give it."""
        return self.code[address][0].split(".")[0]

    def say(self, address):
        return "%x %s: %s" % (address, *self.code[address])

    def straight(self, hits):
        """What must have been executed as well where @hits were: the rest of each straight piece of code."""
        result, before = set(hits), {b: a for a, b in self.following.items()}
        for hit in hits:
            at = hit
            while at in self.following and not self.code[at][1].startswith(ENDS + ("j", "call")):
                at = self.following[at]
                if self.function(at) != self.function(hit):
                    break
                result.add(at)
            at = hit
            while at in before and at not in self.targets and not self.code[before[at]][1].startswith(ENDS + ("j", "call")):
                at = before[at]
                result.add(at)
        return result

    def shielded(self):
        """Behind STI and a load of SS the processor takes no NMI."""
        return {self.following[at] for at, (_, text) in self.code.items()
                if at in self.following and re.match(r"sti$|(mov|pop) .*%ss$", text)}


def hits(records, start):
    """{map: addresses} of the fire-hits records."""
    result, at = {}, {}
    for record in records:
        name = record["map"]
        found = result.setdefault(name, set())
        at.setdefault(name, start)
        for far, letter in DISTANCE.findall(record["distances"]):
            at[name] += int(far, 16) if far else LETTERS.index(letter) + 1
            found.add(at[name])
    return result


def executed(context, conf, files, build, serial, count, ticks, smp="1:1:2"):
    """The addresses of the hypervisor's instructions that the debugger sees in @ticks after @serial has come @count times."""
    esp = os.path.join(context.dir, "traced")
    os.makedirs(esp)
    with open(os.path.join(esp, "cloister.conf"), "w") as out:
        out.write(conf)
    for name, path in files.items():
        shutil.copy(path, os.path.join(esp, name))
    found, cpus = set(), range(2)
    with bochsdbg.Debugger(esp, cpus=2, smp=smp, mem=128, build=build, timeout=200) as debugger:
        debugger.run_until_serial(serial, count)
        for cpu in cpus:
            debugger.select(cpu)
            debugger.command("trace on")
        debugger.tracing = True
        for _ in range(ticks // TRACE_SLICE):
            for lines in debugger.trace_for(TRACE_SLICE) if not debugger.ended else ():
                found.update(match.group(2) for match in map(EXECUTED.match, lines) if match)
    shutil.rmtree(esp)
    return {int(address, 16) for address in found}


def text_range(build):
    address = pagewalk.Symbols(os.path.join(build, "cloister.elf")).address
    return address["text_start"], address["text_end"]
