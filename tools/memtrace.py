# SPDX-License-Identifier: MIT
"""Turns the trace of Bochs's debugger (`trace on`, `trace-mem on`) into events for the oracle.

An instruction's line comes first, then one line for each access that it made:

  (0).[359066540] [0x0000010116c2] 0008:ffffffff810116c2 (unk. ctxt): push r14                  ; 4156
  [CPU0 WR]: LIN 0xffff90400100f9b0 PHY 0x0000010559b0 (len=8, WB): 0x00000000 0x00000000
  [CPU0 RD]: PHY 0x00000018a900 (len=8, WB): 0x00000000 0x00181023<tab>; PML4E

A remark behind the data says that the processor made the access for itself: a page walk, the VMCS, a bitmap of it."""

import re
from collections import Counter, deque

TOUCH, ROOT, FLUSH, ENTER, LEAVE, OWN_ACCESS, VERW, EXIT_ROOT, INVEPT, ENTRY = range(10)

# What a cache never holds.
UNCACHED = (b"UC", b"UC-", b"WC")
# What the processor accesses for itself; any other remark is taken for an access by the instruction.
OWN = {"VMCS", "MSR BITMAP", "VMX LDMSR"} | {kind + level for kind in ("", "EPT ") for level in ("PML4E", "PDPTE", "PDE", "PTE")}
MSR_FLUSH_CMD = 0x10b
PLACE = re.compile(rb"[0-9a-f]{4}:([0-9a-f]{16}) .*; ([0-9a-f]+)")
CR3_MASK = 0x000ffffffffff000
HOST_PCIDS = (1, 2)  # of restricted and full
CR3_NOFLUSH = 1 << 63
WRITES_CR3 = re.compile(rb": mov cr3, (r\w+)")
# The compiler clears CR3's bit 63 with an AND whose operand may be the root in memory.
LOADS = re.compile(rb": (?:mov|and) (r\w+), qword ptr")
CLEARS_BIT = re.compile(rb": (?:and|btr) (r\w+), ")
SETS = {name: re.compile(rb": mov %s, 0x([0-9a-f]+)" % name) for name in (b"eax", b"ecx")}
RECENT = 8  # that count for what a register holds
HISTORY = 600  # an NMI and its handler may come in between


class Cpu:
    """What the parser remembers of one CPU between two lines."""

    def __init__(self):
        self.guest = None  # not known before its first instruction
        self.line = b""  # of the instruction that it executes
        self.recent = deque(maxlen=HISTORY)  # the last instructions in root mode, with the first 8 bytes read by each
        self.value = None
        self.exiting = False  # the processor has written the guest's state to its VMCS


class Parser:
    """@is_text: is this frame code of the hypervisor? That is how root mode is told from guest mode: guests never see
    that code, and the hypervisor has no other. @entry_offset: of the window's entry in a root."""

    def __init__(self, is_text, entry_offset=None):
        self.is_text, self.entry_offset = is_text, entry_offset
        self.cpus = {}
        self.by_processor = Counter()  # accesses by remark
        self.instructions = Counter()  # by mode
        self.window_tables = set()

    def cpu(self, number):
        return self.cpus.setdefault(number, Cpu())

    def restart(self):
        """Another trace begins: where the CPUs stand is unknown."""
        self.cpus = {}

    def parse(self, lines, watch_entries=(), policies=False):
        """Events of @lines: (TOUCH, cpu, line, where), (ROOT, cpu, root or None, where, does it flush), (FLUSH, cpu), (VERW, cpu),
        (INVEPT, cpu), (ENTER, cpu, frame, where), (LEAVE, cpu), (OWN_ACCESS, cpu, line, remark, where): by the processor for
        itself, (ENTRY, address, value): an instruction wrote what may be an entry of a root, where entry_offset is.
        @watch_entries: addresses of page-table entries whose content goes to window_tables. @policies: (EXIT_ROOT, cpu, root) too,
        where what may be the root of a map is written into a VMCS, with the PCID of a map of the hypervisor's."""
        events = []
        for line in lines:
            if line.startswith(b"[CPU"):
                self._access(line, events, watch_entries, policies)
            elif line.startswith(b"(") and b").[" in line[:8]:
                self._instruction(line, events)
        return events

    def _access(self, line, events, watch_entries, policies):
        words = line.split(b" ", 8)
        number = int(words[0][4:])
        if words[2] == b"LIN":
            address, length, kind = words[5], words[6], words[7]
        else:
            address, length, kind = words[3], words[4], words[5]
        cpu = self.cpu(number)
        at = line.rfind(b"\t; ")
        remark = line[at + 3:].decode(errors="replace").strip() if at >= 0 else None
        if remark in OWN:
            self.by_processor[remark] += 1
            cpu.exiting = cpu.exiting or (remark == "VMCS" and words[1].startswith(b"WR"))
            if remark == "PML4E" and int(address, 16) in watch_entries:
                self._see_window(int(line[:at].rsplit(b" ", 1)[1], 16))
            if remark == "VMCS" and policies and words[1] == b"WR]:" and length == b"(len=8,":
                value = self._value(line, at)
                if value & CR3_MASK and value & ~CR3_MASK in HOST_PCIDS:
                    events.append((EXIT_ROOT, number, value & CR3_MASK))
            events.append((OWN_ACCESS, number, int(address, 16) >> 6, remark, cpu.line))
            return
        if kind[:-2] in UNCACHED:
            return
        if cpu.guest and cpu.exiting:
            # An NMI, before the first instruction in root mode: its frame is not the guest's access.
            cpu.guest, cpu.line = False, b""
            cpu.recent.clear()
            events.append((LEAVE, number))
        first = int(address, 16)
        size = int(length[5:-1])
        # The first only: what an NMI behind it takes from the IDT and pushes has the same instruction's line.
        if size == 8 and not cpu.guest and cpu.value is None and words[1] == b"RD]:":
            cpu.value = self._value(line, at if at >= 0 else None)
        if size == 8 and first & 4095 == self.entry_offset and not cpu.guest and words[1] == b"WR]:":
            events.append((ENTRY, first, self._value(line, at if at >= 0 else None)))
        for touched in range(first >> 6, (first + size - 1 >> 6) + 1):
            events.append((TOUCH, number, touched, cpu.line))

    @staticmethod
    def _value(line, end):
        high, low = line[:end].split(b"): ", 1)[1].split(b" ")[:2]
        return int(high, 16) << 32 | int(low, 16)

    def _see_window(self, entry):
        if entry & 1:
            self.window_tables.add(entry & CR3_MASK)

    def _instruction(self, line, events):
        number = int(line[1:line.index(b")")])
        at = line.index(b"[0x")
        frame = int(line[at + 3:line.index(b"]", at)], 16) >> 12
        cpu = self.cpu(number)
        cpu.exiting = False
        guest = not self.is_text(frame)
        self.instructions["guest" if guest else "root"] += 1
        if guest != cpu.guest:
            if guest:
                events.append((ENTER, number, frame, line))
            elif cpu.guest is not None:
                events.append((LEAVE, number))
            cpu.guest = guest
            cpu.recent.clear()
        if not guest:
            if cpu.recent:
                cpu.recent[-1][1] = cpu.value
                if b": iret" in cpu.recent[-1][0]:
                    self._forget_handler(cpu.recent, line)
            if b" cr3, " in line:
                root, flushes = self._loaded(cpu, WRITES_CR3.search(line))
                events.append((ROOT, number, root, line, flushes))
            elif b": wrmsr" in line and self._set(cpu, b"ecx") == MSR_FLUSH_CMD and self._set(cpu, b"eax") == 1:
                events.append((FLUSH, number))
            elif b": verw " in line:
                events.append((VERW, number))
            elif b": invept " in line:
                events.append((INVEPT, number))
            cpu.recent.append([line, None])
            cpu.value = None
        cpu.line = line

    @staticmethod
    def _forget_handler(recent, line):
        """Behind an IRET to @line: what came before that is what was executed last, not the handler."""
        back = int(PLACE.search(line).group(1), 16)
        for i in range(len(recent) - 1, -1, -1):
            before = PLACE.search(recent[i][0])
            if int(before.group(1), 16) + len(before.group(2)) // 2 == back:
                for _ in range(len(recent) - 1 - i):
                    recent.pop()
                return

    @staticmethod
    def _loaded(cpu, write):
        """The root in the register that goes to CR3, if one of the last instructions loaded it from memory, and whether its
        bit 63 is clear, so that the translations of its PCID go."""
        clears = False
        for text, value in list(cpu.recent)[:-RECENT - 1:-1]:
            clear, load = CLEARS_BIT.search(text), LOADS.search(text)
            clears = clears or bool(write and clear and clear.group(1) == write.group(1))
            if write and load and load.group(1) == write.group(1):
                return (None, False) if value is None else (value & CR3_MASK, clears or not value & CR3_NOFLUSH)
        return None, False

    @staticmethod
    def _set(cpu, register):
        """The constant that one of the last instructions put into @register."""
        for text, _ in list(cpu.recent)[:-RECENT - 1:-1]:
            found = SETS[register].search(text)
            if found:
                return int(found.group(1), 16)
        return None
