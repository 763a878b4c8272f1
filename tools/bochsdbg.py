# SPDX-License-Identifier: MIT
"""Drives Bochs's own debugger over a pipe: what it shows comes from the emulated processor, not from the hypervisor."""

import math
import os
import re
import select
import shutil
import struct
import subprocess
import tempfile
import time

import emulib
import recordlib

PROMPT = re.compile(rb"<bochs:\d+> $")
EXIT_STOP = re.compile(rb"Caught VMEXIT breakpoint.*?^\(0\) \[0x([0-9a-f]+)\]", re.M | re.S)
BREAK_STOP = re.compile(rb"^\((\d+)\) Breakpoint (\d+)", re.M)
TLB_ENTRY = re.compile(r"lpf = 0x([0-9a-f]+)\n +lpf_mask = 0x[0-9a-f]+\n +ppf = 0x[0-9a-f]+\n +accessBits = 0x([0-9a-f]+)")
CR3_MASK = 0x000ffffffffff000
CHUNK = 1 << 20
QUIET = 5
STOPS = 200
PATIENCE = 200000


class DebuggerError(Exception):
    """The debugger ended, did not answer in time, or answered something else than was asked."""


class Debugger:
    """One machine that stands still between commands."""

    def __init__(self, esp, cpus=1, **given):
        """@cpus: how many of the CPUs run a VM. The rest: options of emulib.run()."""
        options = dict(emulib.DEFAULTS, **given)
        self.threads = math.prod(int(n) for n in options["smp"].split(":"))
        self.breakpoints = 0
        self.tracing = False
        self.ended = False  # the run is over: only the trace that came before can be had
        self.deadline = time.time() + options["timeout"]
        self.cpus = cpus
        self.work = tempfile.mkdtemp(prefix="cloister-dbg-")
        self.process = None
        try:
            bochs = emulib.Bochs()
            bochs.configure(options, emulib.disk_for(options, esp, self.work), self.work, 0)
            self.process = subprocess.Popen(
                emulib.DIE_WITH_US + bochs.command + ["-q", "-unlock", "-dbg", "-f", "bochsrc"], cwd=self.work, env=bochs.env,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
            self._answer()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        if self.process:
            emulib.kill(self.process)
        shutil.rmtree(self.work, ignore_errors=True)

    def _read(self):
        out = self.process.stdout.fileno()
        if time.time() > self.deadline:
            raise DebuggerError("the run did not end in time")
        while not select.select([out], [], [], QUIET)[0]:
            # The hypervisor halts for good when its run is over, and no debugger command ends that. A trace is never
            # quiet for so long otherwise, and the console may have been turned off.
            self.ended = self.tracing or recordlib.last(self.serial(), "end") is not None
            if self.ended:
                return b""
            if time.time() > self.deadline:
                raise DebuggerError("the run did not end in time")
        data = os.read(out, CHUNK)
        if not data:
            raise DebuggerError("the emulator ended: %s" % (emulib.Bochs.complaints(self.work) or self.serial()[-300:]))
        return data

    def _answer(self):
        parts, tail = [], b""
        while not PROMPT.search(tail):
            data = self._read()
            if self.ended:
                raise DebuggerError("the run is over: %s" % self.serial()[-300:])
            parts.append(data)
            tail = (tail + data)[-32:]
        return b"".join(parts)

    def _send(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def command(self, text):
        self._send(text)
        return self._answer()

    def serial(self):
        try:
            with open(os.path.join(self.work, "serial.txt"), "rb") as f:
                return emulib.plain(f.read()).replace("\r", "")
        except OSError:
            return ""

    # Execution.

    def _go(self, ticks):
        """Runs for about so long, in steps: time breakpoints, once used, may crash the debugger."""
        self._send("s %d" % ticks if self.threads == 1 else "s all %d" % (ticks // self.threads))

    def run_for(self, ticks):
        self._go(ticks)
        return self._answer()

    def run_until_serial(self, pattern, count, slice_ticks=2000000):
        """Runs until the console has shown @count matches of @pattern. The firmware is passed at full speed."""
        self.host_roots()
        while len(re.findall(pattern, self.serial())) < count:
            if re.search(r'"type":"(end|panic)"|"state":"refused"', self.serial()):
                raise DebuggerError("no %d times %r are to be had: %s" % (count, pattern, self.serial()[-600:]))
            self.run_for(slice_ticks)

    def exits(self):
        """Runs until each CPU that runs a VM has come out of it; yields each, standing there, with the CR3 that the exit
        loaded.

        The debugger stops at exits of the first CPU only. The place where that one arrives is a breakpoint for all."""
        self.select(0)
        self.command("vmexitbp")
        stop = EXIT_STOP.search(self.command("c"))
        self.command("vmexitbp")
        if not stop:
            raise DebuggerError("the emulator stopped for another reason than a VM exit")
        yield 0, self.cr3(0)
        if self.cpus == 1:
            return
        seen = {0}
        while len(seen) < self.cpus:
            for cpu in self._arrivals(int(stop.group(1), 16), seen):
                seen.add(cpu)
                yield cpu, self.cr3(cpu)
            if len(seen) < self.cpus:
                self.run_for(PATIENCE)

    def _arrivals(self, address, seen):
        """The CPUs that come to @address, other than those @seen. Bounded: where others send interrupts without end, stopping
        at each exit leaves the guest no time to start its other vCPUs."""
        self.breakpoints += 1
        self.command("pb 0x%x" % address)
        for _ in range(STOPS):
            cpu = BREAK_STOP.search(self.command("c"))
            if not cpu:
                raise DebuggerError("the emulator stopped for another reason than the breakpoint")
            if int(cpu.group(1)) not in seen:
                yield int(cpu.group(1))
            if len(seen) == self.cpus:
                break
        self.command("d %d" % self.breakpoints)

    def run_to(self, *addresses):
        """Runs until a CPU comes to the instruction at one of these physical addresses; that CPU, that address."""
        numbers = {self.breakpoints + 1 + i: address for i, address in enumerate(addresses)}
        self.breakpoints += len(addresses)
        for address in addresses:
            self.command("pb 0x%x" % address)
        stop = BREAK_STOP.search(self.command("c"))
        for number in numbers:
            self.command("d %d" % number)
        if not stop:
            raise DebuggerError("the emulator stopped for another reason than the breakpoint")
        return int(stop.group(1)), numbers[int(stop.group(2))]

    def run_to_linear(self, address):
        """Runs until a CPU is about to execute the instruction at a linear address, of whatever map and in whatever mode; it may
        be the fetch that faults."""
        self.breakpoints += 1
        self.command("lb 0x%x" % address)
        stop = BREAK_STOP.search(self.command("c"))
        self.command("d %d" % self.breakpoints)
        if not stop:
            raise DebuggerError("the emulator stopped for another reason than the breakpoint")

    def tick(self):
        """The emulator's clock since power-on."""
        found = re.search(rb"ptime: (\d+)", self.command("ptime"))
        if not found:
            raise DebuggerError("ptime does not show the time")
        return int(found.group(1))

    def host_roots(self):
        return dict(self.exits())

    # State.

    def select(self, cpu):
        self.command("set $cpu = %d" % cpu)

    def cr3(self, cpu):
        self.select(cpu)
        found = re.search(rb"^CR3=0x([0-9a-f]+)", self.command("creg"), re.M)
        if not found:
            raise DebuggerError("creg does not show CR3")
        return int(found.group(1), 16) & CR3_MASK

    def registers(self, cpu):
        """[(name, digits)] of all that the processor holds: general, vector, debug, segment and model-specific registers,
        the current VMCS; not what its TLBs cache."""
        state = self.command('show "cpu%d"' % cpu).decode(errors="replace").split("\n  DTLB = {")[0]
        found = re.findall(r"^ +(\w+) = (?:0x)?([0-9a-f]+)$", state, re.M)
        if not {"RAX", "DR0", "CR2", "lstar", "xmm00_0", "fraction"} <= {name for name, _ in found}:
            raise DebuggerError("show does not show the processor's registers")
        return found

    def translations(self, cpu):
        """Linear addresses of the pages that a CPU's TLBs know, for reading, writing or fetching."""
        state = self.command('show "cpu%d"' % cpu).decode(errors="replace")
        entries = TLB_ENTRY.findall(state)
        if len(entries) < 100:
            raise DebuggerError("show does not show the TLBs")
        return sorted({int(page, 16) & ~4095 for page, rights in entries if int(rights, 16)})

    def physical_page(self, address):
        """The 512 words of a physical page."""
        words = []
        for line in self.command("xp /512gx 0x%x" % address).splitlines():
            if b">:\t" in line:
                words += [int(word, 16) for word in line.split(b">:\t", 1)[1].split(b"\t")]
        if len(words) != 512:
            raise DebuggerError("xp showed %d words of the page 0x%x" % (len(words), address))
        return words

    def physical(self, address, size):
        """Bytes of physical memory that lie in one page."""
        first = address & ~4095
        page = struct.pack("<512Q", *self.physical_page(first))
        return page[address - first:address - first + size]

    def linear(self, cpu, address, size):
        """Bytes at linear addresses of the map that @cpu has now."""
        self.select(cpu)
        path = os.path.join(self.work, "linear.bin")
        self.command('writemem "%s" 0x%x %d' % (path, address, size))
        try:
            with open(path, "rb") as f:
                data = f.read()
            os.unlink(path)
        except OSError:
            data = b""
        if len(data) != size:
            raise DebuggerError("writemem gave %d of %d bytes at 0x%x" % (len(data), size, address))
        return data

    # Traces.

    def trace_on(self, cpus):
        for cpu in cpus:
            self.select(cpu)
            if b"enabled" not in self.command("trace on") or b"enabled" not in self.command("trace-mem on"):
                raise DebuggerError("the debugger does not trace CPU %d" % cpu)
        self.tracing = True

    def trace_off(self, cpus):
        for cpu in cpus:
            self.select(cpu)
            self.command("trace off")
            self.command("trace-mem off")
        self.tracing = False

    def trace_for(self, ticks):
        """Runs, and yields the trace's lines as lists, a chunk at a time; fewer if the run ends meanwhile."""
        self._go(ticks)
        tail = b""
        while not self.ended and not PROMPT.search(tail[-32:]):
            lines = (tail + self._read()).split(b"\n")
            tail = lines.pop()
            yield lines
