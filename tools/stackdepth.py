# SPDX-License-Identifier: MIT
"""How deep code goes on its stack, for all inputs: follows the stack pointer through the machine code of an image.

Depths are bytes below the stack pointer with which a function is entered, its return address not among them. What moves
the stack pointer in a way that is not known here is a problem, and so are indirect calls and recursions that nobody declared."""

import re
import sys
from collections import defaultdict

from disassembly import CALLS, JUMPS, plain, target_of

IMMEDIATE = re.compile(r"\$0x([0-9a-f]+),%rsp$")
DISPLACED = re.compile(r"(-?)0x([0-9a-f]+)\(%rsp\),%rsp$")
FROM_RBP = re.compile(r"-0x([0-9a-f]+)\(%rbp\),%rsp$")
RETURNS = ("ret", "retq", "iretq", "lretq", "retfq")
WRITES_RSP = re.compile(r"(.*,)?%(rsp|esp|sp|spl)$")
READS_ONLY = ("cmp", "test", "push", "bt")
ALIGNMENT = 8  # the least that AND leaves of a stack pointer in words of 8 bytes
MOST = 1 << 20
UNSAID, SAID = "unsaid", "said"
FRAME = 56  # what an interrupt pushes: five words, one to align, an error code


def signed(digits):
    value = int(digits, 16)
    return value - (1 << 64) if value >> 63 else value


def takes_stack(image, at):
    """Whether the instruction at @at writes the stack pointer."""
    return WRITES_RSP.match(image.code[at][1].split(" <")[0]) is not None


def behind_switch(image, name):
    """Where the code of @name goes on when it has taken another stack."""
    at = image.addresses[name][0]
    while not takes_stack(image, at):
        at = image.following[at]
    return image.following[at]


class Tables:
    """What the machine code does not say.

    @indirect: {function: functions that its indirect calls reach}. @recursion: {function: how often it may be active at
    once}. @switches: functions that leave their stack for another. @interrupts: what an STI lets in. @mark: the function that says that its
    caller goes deep; @looks: those at which there is room for what comes then; @scrub: the one that zeroes the stack."""

    def __init__(self, indirect=None, recursion=None, switches=(), interrupts=(), mark=None, looks=(), scrub=None):
        self.indirect, self.recursion, self.switches = indirect or {}, recursion or {}, set(switches)
        self.interrupts, self.mark, self.looks, self.scrub = list(interrupts), mark, set(looks), scrub


class Flow:
    """One function, or what is executed from one address on: the depth at each instruction, what may follow it, the calls as
    (address, depth at which the callee is entered, callee's address), and where the flow ends."""

    def __init__(self, code, entry):
        self.code, self.image, self.entry = code, code.image, entry
        self.depth, self.after, self.calls, self.ends, self.switched = {}, defaultdict(set), set(), set(), False
        self._todo = [(entry, 0, None)]

    def follow(self):
        while self._todo:
            self._step(*self._todo.pop())

    def returns(self):
        """To whoever called it; not if it leaves for another stack."""
        return any(self.image.code[address][0] in RETURNS for address in self.ends) or any(
            address in self.ends and self.code.returns(target) for address, _, target in self.calls)

    def _problem(self, address, text):
        self.code.problem("%s, 0x%x: %s: %s" % (plain(self.image.owner(address)), address, " ".join(self.image.code.get(address, ("?",))), text))

    def _goes_on(self, address, following, depth, kept):
        if following is None or following not in self.image.code:
            self._problem(address, "there is no code behind it")
            return
        self.after[address].add(following)
        self._todo.append((following, depth, kept))

    def _step(self, address, depth, kept):
        """@kept: the depth that RBP remembers."""
        if self.depth.get(address, -MOST) >= depth:
            return
        if depth > MOST:
            self._problem(address, "the stack grows without end")
            return
        self.depth[address] = depth
        mnemonic, operands = self.image.code[address]
        operands = operands.split(" #")[0].split(" <")[0].strip()
        following = self.image.following.get(address)
        if mnemonic in RETURNS:
            self.ends.add(address)
        elif mnemonic.startswith(CALLS):
            self._call(address, operands, depth, kept, following)
        elif mnemonic.startswith(JUMPS):
            self._jump(address, mnemonic, operands, depth, kept, following)
        elif mnemonic != "ud2":
            if mnemonic == "sti":
                self.calls |= {(address, depth + FRAME, handler) for handler in self.code.tables.interrupts}
            depth, kept = self._move(address, mnemonic, operands, depth, kept)
            if depth is None:
                self.ends.add(address)
            elif following in self.image.functions and following != self.entry:
                self._tail_call(address, depth, following)  # falls through
            else:
                self._goes_on(address, following, depth, kept)

    def _move(self, address, mnemonic, operands, depth, kept):
        """The depth behind the instruction, None if it leaves the stack; and what RBP remembers."""
        immediate, displaced = IMMEDIATE.match(operands), DISPLACED.match(operands)
        if mnemonic.startswith("push"):
            return depth + 8, kept
        if mnemonic.startswith("pop") and operands != "%rsp":
            return depth - 8, None if operands == "%rbp" else kept
        if mnemonic == "sub" and immediate:
            return depth + signed(immediate.group(1)), kept
        if mnemonic == "add" and immediate:
            return depth - signed(immediate.group(1)), kept
        if mnemonic == "lea" and displaced:
            offset = int(displaced.group(2), 16)
            return depth + (offset if displaced.group(1) else -offset), kept
        if mnemonic == "lea" and kept is not None and FROM_RBP.match(operands):
            return kept + int(FROM_RBP.match(operands).group(1), 16), kept
        if mnemonic == "and" and immediate and signed(immediate.group(1)) == -16:
            return depth + ALIGNMENT, kept
        if mnemonic == "mov" and operands == "%rsp,%rbp":
            return depth, depth
        if mnemonic == "mov" and operands == "%rbp,%rsp" and kept is not None:
            return kept, kept
        if mnemonic.startswith("leave") and kept is not None:
            return kept - 8, None
        if mnemonic.startswith(("leave", "enter")) or (WRITES_RSP.match(operands) and not mnemonic.startswith(READS_ONLY)):
            self.switched = True
            if plain(self.image.owner(address)) not in self.code.tables.switches:
                self._problem(address, "moves the stack pointer in a way that is not known")
            return None, None
        return depth, kept

    def _call(self, address, operands, depth, kept, following):
        target = target_of(operands)
        if target is None:
            self._indirect(address, depth + 8)
        elif target not in self.image.name_at and self.image.owner(target) == self.image.owner(address):
            self._goes_on(address, target, depth + 8, kept)  # into its own middle, which only pushes
            return
        else:
            self.calls.add((address, depth + 8, target))
            if not self.code.returns(target):
                return
        self._goes_on(address, following, depth, kept)

    def _jump(self, address, mnemonic, operands, depth, kept, following):
        target = target_of(operands)
        if target is None:
            self._indirect(address, depth)
            self.ends.add(address)
        elif target in self.image.functions and target != self.entry:
            self._tail_call(address, depth, target)
        else:
            self._goes_on(address, target, depth, kept)
        if not mnemonic.startswith(("jmp", "ljmp")):
            self._goes_on(address, following, depth, kept)

    def _tail_call(self, address, depth, target):
        self.calls.add((address, depth, target))
        self.ends.add(address)

    def _indirect(self, address, depth):
        owner = plain(self.image.owner(address))
        if owner not in self.code.tables.indirect:
            self._problem(address, "an indirect call that is not declared")
        for name in self.code.tables.indirect.get(owner, ()):
            self.calls |= {(address, depth, target) for target in self.code.find(name)}


class Code:
    """All that can be executed, a flow for each entry."""

    def __init__(self, image, tables):
        self.image, self.tables = image, tables
        self.problems = []
        self._flows, self._returns = {}, {}
        sys.setrecursionlimit(10000)

    def problem(self, text):
        if text not in self.problems:
            self.problems.append(text)

    def find(self, name):
        """Addresses of the functions that the source calls @name; more than one if files have one each."""
        found = self.image.addresses.get(name, ())
        if not found:
            self.problem("there is no " + name)
        return found

    def count(self):
        return len(self._flows)

    def flow(self, entry):
        if entry not in self._flows:
            self._flows[entry] = flow = Flow(self, entry)
            flow.follow()
            self._returns[entry] = flow.returns()
        return self._flows[entry]

    def returns(self, entry):
        if entry not in self._returns:
            self._returns[entry] = True  # as long as it is not known: recursion
            self.flow(entry)
        return self._returns[entry]


class Depths:
    """The greatest depth from an entry on, with the calls that lead there. @points: function from a flow, what holds at its
    entry and the recursions that are left to the depth that counts, and the calls that do: (depth, target, what holds there)."""

    def __init__(self, code, points):
        self.code, self.points = code, points
        self._known, self._active = {}, []

    def of(self, entry, holds=None, budget=None):
        """(depth, [(name, depth at which it calls the next), ...])"""
        if budget is None:
            budget = tuple(sorted(self.code.tables.recursion.items()))
        name = plain(self.code.image.owner(entry))
        left = dict(budget)
        if name in left:
            if not left[name]:
                return -MOST, []
            left[name] -= 1
            budget = tuple(sorted(left.items()))
        key = (entry, holds, budget)
        if key in self._known:
            return self._known[key]
        if key in self._active:
            names = [plain(self.code.image.owner(at)) for at, _, _ in self._active[self._active.index(key):]]
            self.code.problem("a recursion that is not declared: " + " > ".join(names + [name]))
            return -MOST, []
        self._active.append(key)
        own, calls = self.points(self.code.flow(entry), holds, budget)
        best, way = own, [(name, own)]
        for depth, target, there in calls:
            below, path = self.of(target, there, budget)
            if depth + below > best:
                best, way = depth + below, [(name, depth)] + path
        self._active.pop()
        self._known[key] = best, way
        return best, way


def everything(flow, *_):
    """Points of a flow: all of them."""
    return max(flow.depth.values()), {(depth, target, None) for _, depth, target in flow.calls}


class Unsaid:
    """What is used of a stack that is to be zeroed, without saying so first: the points of a flow that count. Those do not
    that come behind a call of `mark`, or lead to one and nowhere else; nor those behind a call of one that `looks`, and within
    @room below that one. Behind what zeroes the stack nothing is said any more, in a function that was called by who has said
    it, too; but what is above the place of the zeroing is noted there. What leads neither back nor to where the stack is
    zeroed or left does not count: nobody reads it."""

    def __init__(self, code, room):
        self.code, self.room, self.depths = code, room, Depths(code, self.points)
        self._counts, self._comes_back, self._zeroes, self._says = {}, {}, {}, {}

    def of(self, entry):
        return self.depths.of(entry, UNSAID)

    def _is(self, target, names):
        return plain(self.code.image.owner(target)) in names

    def _is_mark(self, target):
        return self._is(target, [self.code.tables.mark])

    def _reaches(self, entry, known, wanted):
        """Does anything from @entry on lead to what is @wanted of a flow?"""
        if entry not in known:
            known[entry] = False  # as long as it is not known: recursion
            flow = self.code.flow(entry)
            known[entry] = wanted(flow) or any(self._reaches(target, known, wanted) for _, _, target in flow.calls)
        return known[entry]

    def _calls_scrub(self, flow):
        return any(self._is(target, [self.code.tables.scrub]) for _, _, target in flow.calls)

    def zeroes(self, entry):
        """May the stack be zeroed in there?"""
        return self._is(entry, [self.code.tables.scrub]) or self._reaches(entry, self._zeroes, self._calls_scrub)

    def matters(self, entry):
        """Does the flow come back, or to where the stack is zeroed, or left?"""
        return self.code.returns(entry) or self.zeroes(entry) or self._reaches(entry, self._comes_back, lambda f: f.switched)

    def _behind(self, state, depth, target):
        """What holds behind a call, where @state did before."""
        if self._is_mark(target):
            return SAID
        if self.zeroes(target):
            return SAID if self._says_at_end(target) else (depth, 0)
        return (depth, self.room) if state != SAID and self._is(target, self.code.tables.looks) else state

    def _states_of(self, flow, first):
        """{address: what may hold before it}: nothing was said, or it was, or there is so much room below a depth. @first: at the
        entry."""
        states, todo, called = defaultdict(set), [(flow.entry, first)], defaultdict(list)
        for address, depth, target in flow.calls:
            called[address].append((depth, target))
        while todo:
            address, state = todo.pop()
            if state not in states[address]:
                states[address].add(state)
                results = {self._behind(state, *one) for one in called[address]} or {state}
                todo += [(following, result) for following in flow.after[address] for result in results]
        return states

    def _says_at_end(self, target):
        """Does it call the mark on each way back to its caller, and zero nothing behind that?"""
        if target not in self._says:
            self._says[target] = False  # as long as it is not known: recursion
            flow = self.code.flow(target)
            states = self._states_of(flow, UNSAID)
            marks = {address for address, _, called in flow.calls if self._is_mark(called)}
            self._says[target] = bool(flow.ends) and all(states[end] == {SAID} or end in marks for end in flow.ends)
        return self._says[target]

    @staticmethod
    def _backward(flow, seeds, walls=()):
        """The instructions that lead to @seeds, not over @walls."""
        before = defaultdict(set)
        for address, following in flow.after.items():
            for one in following:
                before[one].add(address)
        found, todo = set(), list(seeds)
        while todo:
            address = todo.pop()
            if address not in found:
                found.add(address)
                todo += before[address] - set(walls)
        return found

    def _counting(self, flow, first):
        """{address: what may hold there} of the instructions that count."""
        key = flow.entry, first
        if key not in self._counts:
            marks = {address for address, _, target in flow.calls if self._is_mark(target)}
            lost = {address for address, _, target in flow.calls if not self.matters(target)}
            zeroing = {address for address, _, target in flow.calls if self.zeroes(target)}
            leaving = {address for address, _, target in flow.calls if self.matters(target) and not self.code.returns(target)}
            useful = self._backward(flow, (flow.ends - lost) | zeroing | leaving)
            others = {address for address, _, _ in flow.calls} - marks
            useful &= self._backward(flow, (flow.ends - marks) | others, marks)
            self._counts[key] = {address: held for address, held in self._states_of(flow, first).items() if address in useful}
        return self._counts[key]

    def _within_room(self, state, depth, target=None, budget=None):
        if state in (SAID, UNSAID):
            return state == SAID
        begin, room = state
        return depth - begin + (self.depths.of(target, UNSAID, budget)[0] if target else 0) <= room

    def points(self, flow, first, budget):
        """For Depths: what nobody said anything of."""
        counting, own, calls = self._counting(flow, first), -MOST, set()
        for address, states in counting.items():
            if not all(self._within_room(state, flow.depth[address]) for state in states):
                own = max(own, flow.depth[address])
        for address, depth, target in flow.calls:
            if address not in counting or self._is_mark(target) or not self.matters(target):
                continue
            if self._is(target, self.code.tables.looks):
                if not all(self._within_room(state, depth) for state in counting[address]):
                    own = max(own, depth)
                continue
            if not all(self._within_room(state, depth, target, budget) for state in counting[address]):
                calls.add((depth, target, UNSAID))
            if self.zeroes(target):
                calls.add((depth, target, SAID))
        return own, calls
