# SPDX-License-Identifier: MIT
"""Walks the hypervisor's page tables in physical memory, and tells from them and the ELF file which frame is whose.

Nothing here asks the hypervisor: not its frame table, not its own check of the maps."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

PRESENT, WRITE, LARGE, NX = 1, 2, 1 << 7, 1 << 63
ADDRESS = 0x000ffffffffff000

# Owners of frames. PUBLIC: what restricted shows to every VM. HIDDEN: what no restricted map reaches. The others are
# pairs: ("vm", frame of the window's table), ("cpu", number), and ("vms", set of such frames) of what several VMs may only read.
PUBLIC, HIDDEN = ("public",), ("hidden",)


def layout():
    """The regions' bases, as hv/base/layout.h says."""
    with open(os.path.join(ROOT, "hv/base/layout.h")) as f:
        return {name: int(value, 16) for name, value in re.findall(r"#define (\w+_BASE) (0x[0-9a-f]+)ULL", f.read())}


def slot_of(va):
    return va >> 39 & 511


class Symbols:
    """The symbols of an ELF file."""

    def __init__(self, elf):
        out = subprocess.run(["nm", "-n", elf], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.sorted = [(int(line.split()[0], 16), line.split()[2]) for line in out.splitlines() if len(line.split()) == 3]
        self.address = {name: value for value, name in self.sorted}

    def name(self, va):
        """SYMBOL+OFFSET."""
        best = None
        for value, name in self.sorted:
            if value > va:
                break
            if not re.match(r"(boot_)?(image|text|rodata|global|data)_(start|end)$", name):
                best = (value, name)
        return "%s+0x%x" % (best[1], va - best[0]) if best else "0x%x" % va


class Leaf:
    __slots__ = ("va", "hpa", "size", "writable", "executable")

    def __init__(self, va, hpa, size, writable, executable):
        self.va, self.hpa, self.size, self.writable, self.executable = va, hpa, size, writable, executable


class Walk:
    """Everything that one root reaches: leaves in the order of addresses, and the frames of the tables themselves."""

    def __init__(self, read_page, root, level=4, va=0):
        self.read_page = read_page
        self.leaves, self.tables = [], set()
        self.slot_tables = {}  # PML4 slot: frames of the tables below it
        self.top = {}  # PML4 slot: frame of the table below it
        self._table(root, level, va, True, True)

    def _table(self, frame, level, va, writable, executable):
        self.tables.add(frame)
        if level < 4:
            self.slot_tables.setdefault(slot_of(va), set()).add(frame)
        for index, entry in enumerate(self.read_page(frame)):
            if not entry & PRESENT:
                continue
            shift = 12 + 9 * (level - 1)
            at = va | index << shift
            w, x = writable and bool(entry & WRITE), executable and not entry & NX
            if level == 4:
                at |= 0xffff << 48 if index >= 256 else 0
                self.top[index] = entry & ADDRESS
            if level == 1 or (level < 4 and entry & LARGE):
                hpa = entry & ADDRESS & ~((1 << shift) - 1)
                self.leaves.append(Leaf(at, hpa, 1 << shift, w, x))
            else:
                self._table(entry & ADDRESS, level - 1, at, w, x)

    def find(self, va):
        for leaf in self.leaves:
            if leaf.va <= va < leaf.va + leaf.size:
                return leaf.hpa + (va - leaf.va)
        return None

    def in_slot(self, slot):
        return [leaf for leaf in self.leaves if slot_of(leaf.va) == slot]


def frames_of(leaf):
    return range(leaf.hpa >> 12, (leaf.hpa + leaf.size) >> 12)


class Ownership:
    """Which frame is whose, by where the CPUs' maps show it. The full map gives the same answer as the restricted one:
    the physmap is not looked at, and of the image only what its sections say."""

    def __init__(self, symbols):
        self.symbols, self.layout = symbols, layout()
        self.owner = {}  # frame number: owner; HIDDEN is what is missing
        self.read_only = set()  # frame numbers that windows show, none of them writable
        self.served = {}  # frame number: owner of what the processor reads there to run that VM; None: several
        self.text = set()
        self.image = {}  # frame number: virtual address; the loaders leave the image in one piece
        self.twice = []  # frames that two owners have

    def _claim(self, frame, owner):
        before = self.owner.setdefault(frame, owner)
        if before != owner:
            self.twice.append((frame, before, owner))

    def _claim_image(self, leaf):
        a = self.symbols.address
        for i, frame in enumerate(frames_of(leaf)):
            va = leaf.va + i * 4096
            if va == a["text_start"]:
                for page in range(0, a["image_end"] - va, 4096):
                    if not a.get("boot_data_start", 0) <= va + page < a.get("boot_data_end", 0):  # given away
                        self.image[frame + (page >> 12)] = va + page
            if a["text_start"] <= va < a["text_end"]:
                self.text.add(frame)
            if va < a["data_start"]:
                self._claim(frame, PUBLIC)

    def add(self, walk, cpu):
        """What the map of @cpu shows now."""
        base = self.layout
        for leaf in walk.in_slot(slot_of(base["IMAGE_BASE"])):
            self._claim_image(leaf)
        window = slot_of(base["WINDOW_BASE"])
        for name, owner in (("GLOBAL_BASE", PUBLIC), ("CPU_BASE", ("cpu", cpu))):
            for leaf in walk.in_slot(slot_of(base[name])):
                for frame in frames_of(leaf):
                    self._claim(frame, owner)
        self._claim_window(walk.in_slot(window), walk.top.get(window))
        for table in walk.slot_tables.get(window, ()):
            self.serve(table >> 12, ("vm", walk.top[window]))

    def add_window(self, read_page, table):
        """A VM that some CPU ran meanwhile, by the table that its PML4 entry named."""
        walk = Walk(read_page, table, 3, self.layout["WINDOW_BASE"])
        self._claim_window(walk.leaves, table)
        for below in walk.tables:
            self.serve(below >> 12, ("vm", table))

    def _claim_window(self, leaves, table):
        """What is writable is that VM's. What no VM may write, as a disk's image that several read, is theirs together."""
        for leaf in leaves:
            for frame in frames_of(leaf):
                if leaf.writable:
                    self.read_only.discard(frame)
                elif frame not in self.owner:
                    self.read_only.add(frame)
                elif frame in self.read_only:
                    self._share(frame, table)
                    continue
                self._claim(frame, ("vm", table))

    def _share(self, frame, table):
        kind, readers = self.owner[frame]
        readers = readers if kind == "vms" else frozenset((readers,))
        if table not in readers:
            self.owner[frame] = ("vms", readers | {table})

    def serve(self, frame, owner):
        """The processor needs this frame to run the VM @owner. What serves several is nobody's."""
        if self.served.setdefault(frame, owner) != owner:
            self.served[frame] = None

    def of(self, frame):
        return self.owner.get(frame, HIDDEN)

    def of_access_by_processor(self, frame):
        """PUBLIC for what no VM's data can be told from: the tables of the hypervisor's own regions."""
        return self.owner.get(frame) or self.served.get(frame) or PUBLIC

    def describe(self, hpa):
        """What lies at a physical address: a symbol if it belongs to the image."""
        va = self.image.get(hpa >> 12)
        return self.symbols.name(va + (hpa & 4095)) if va else "0x%x" % hpa
