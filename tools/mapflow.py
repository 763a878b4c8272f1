# SPDX-License-Identifier: MIT
"""In which map code runs, for all inputs: follows the two maps of Address Space Isolation through the machine code.

A function's word (hv/base/maps.h) says in which map it may be entered, and where its callers have to be. One without a word
is followed from those that call it, in the map that they call it in. Each map is followed by itself, so that nothing is
lost where two ways meet; a condition is taken to go either way."""

import re
from collections import defaultdict

from disassembly import plain

RESTRICTED, FULL = "restricted", "full"
HELD = "held"  # in restricted, and must not leave it
ENTERED = {"FULL": (FULL,), "ANY": (RESTRICTED, FULL), "RESTRICTED": (HELD,)}
ADDRESS = re.compile(r"(-?)0x([0-9a-f]+)(?:\(([^)]*)\))?")
RIP_RELATIVE = re.compile(r"# ([0-9a-f]+)")
PHYSMAP = re.compile(r"\$0xffff800000000000,%")
BRANCHES = ("call", "j", "nop")


class Tables:
    """What the machine code does not say. @words: {function: its word}. @leads: {function: the map in which it returns, wherever it was
    called}. @roots: {function: the map that it loads into CR3}. @variable: the name of the sensitive variable at an address,
    or None. @sources: the functions of the source that an instruction comes from, inlined ones too. @excuses: the (function of the
    source, what it calls or touches) that never are in restricted, whatever the machine code may look like."""

    def __init__(self, words=None, leads=None, roots=None, variable=lambda at: None, sources=None, excuses=()):
        self.words, self.leads, self.roots, self.variable = words or {}, leads or {}, roots or {}, variable
        self.sources, self.excuses = sources, set(excuses)


class Maps:
    """@code: a stackdepth.Code. @public: the addresses of the functions that have a word, by name."""

    def __init__(self, code, public, tables):
        self.code, self.image, self.tables = code, code.image, tables
        # A copy that the compiler makes of a function for some of its callers has the word, too.
        self.words = {address: word for name, word in tables.words.items() if name in public for address in self.image.addresses[name]
                      if address == public[name] or self.image.name_at[address] != name}
        self.problems, self.excused = {}, set()
        self.callers = defaultdict(set)  # (entry, map): the (entry, map) that call it so
        self._leaves = {}  # (entry, map): the maps in which it returns
        self._first, self._todo = {}, []

    def enter(self, entry, which, caller=None):
        """Code at @entry is executed in map @which; @caller: the (entry, map) that calls it."""
        if (entry, which) not in self._leaves:
            self._leaves[entry, which] = set()
            self._first[entry, which] = caller
            self._todo.append((entry, which))

    def run(self):
        for entry, word in self.words.items():
            for which in ENTERED[word]:
                self.enter(entry, which)
        while self._todo:
            self._look(*self._todo.pop())

    def count(self):
        return len({entry for entry, _ in self._leaves})

    def name(self, address):
        return plain(self.image.owner(address))

    def way(self, at):
        """The calls that lead to @at, an entry and a map, from where that map is given."""
        names = []
        while at is not None:
            names.insert(0, self.name(at[0]))
            at = self._first[at]
        return " > ".join(names)

    def touches(self, address):
        """What an instruction reads, writes or takes the address of that the full map alone shows, or None."""
        mnemonic, operands = self.image.code[address]
        if mnemonic.startswith("mov") and PHYSMAP.search(operands):
            return "physmap"
        if mnemonic.startswith(BRANCHES):
            return None
        relative = RIP_RELATIVE.search(operands)
        found = [int(relative.group(1), 16)] if relative else []
        for sign, digits, inside in ADDRESS.findall(operands.split(" #")[0]):
            if "%rip" not in inside:
                found.append((-1 if sign else 1) * int(digits, 16) % (1 << 64))
        return next(filter(None, map(self.tables.variable, found)), None)

    def _complain(self, at, address, what, text):
        """The instruction at @address, followed since @at, does with @what as @text says."""
        for function in self.tables.sources(address) if self.tables.sources else [self.name(address)]:
            if (function, what) in self.tables.excuses:
                self.excused.add((function, what))
                return
        self.problems.setdefault((address, what), (at, text))

    def _call(self, at, which, address, target):
        """The maps behind a call of @target in @which; none if it does not return."""
        name, word = self.name(target), self.words.get(target)
        if word == "FULL" and which != FULL:
            self._complain(at, address, name, "calls %s(), which is FULL, in restricted" % name)
            which = FULL  # by the fault, if not by an excuse
        if word == "RESTRICTED":
            if which == FULL and (at[1] != FULL or self.words.get(at[0]) == "FULL"):
                self._complain(at, address, name, "calls %s(), which is RESTRICTED, in full" % name)
            self.callers[target, HELD].add(at)
            return {which} if self._leaves[target, HELD] else set()
        lead = self.tables.leads.get(name)
        if lead == FULL and which == HELD:
            self._complain(at, address, name, "calls %s() where restricted must not be left" % name)
        self.enter(target, which, at)
        self.callers[target, which].add(at)
        return {lead} if lead and self.code.returns(target) else self._leaves[target, which]

    def _behind(self, at, which, address, called):
        """The maps behind an instruction, and what it calls."""
        what = self.touches(address) if which != FULL else None
        if what:
            self._complain(at, address, what, "touches %s in restricted" % what)
            which = FULL
        if self.image.code[address][1].endswith(",%cr3"):
            root = self.tables.roots.get(self.name(address))
            if root is None:
                self._complain(at, address, "CR3", "loads a map, and no table says which")
            return {root or which}
        return set().union(*(self._call(at, which, address, target) for target in called)) if called else {which}

    def _look(self, entry, within):
        """Follows @entry, entered in @within, once more."""
        flow, called = self.code.flow(entry), defaultdict(set)
        for address, _, target in flow.calls:
            called[address].add(target)
        seen, todo, leaves = set(), [(entry, within)], set()
        while todo:
            address, which = todo.pop()
            if (address, which) in seen:
                continue
            seen.add((address, which))
            behind = self._behind((entry, within), which, address, called.get(address))
            if address in flow.ends:
                leaves |= behind
            # Where a conditional jump leads into another function, the other way it called nothing.
            if address in flow.ends and address in called:
                behind = {which}
            todo += [(following, after) for following in flow.after[address] for after in behind]
        if leaves - self._leaves[entry, within]:
            self._leaves[entry, within] |= leaves
            self._todo += self.callers[entry, within]
