# SPDX-License-Identifier: MIT
"""The oracle's core on made-up events: a planted violation of each kind must be found, and nothing else.

Its parser's tests are in oracle_selftest_trace.py."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
sys.dont_write_bytecode = True
import leakcheck  # noqa: E402
import pagewalk  # noqa: E402
from oracle_selftest_trace import Parsing  # noqa: E402, F401
from leakcheck import BEFORE, BESIDE_FULL, BESIDE_GUEST, HIDDEN, IN_BUFFERS, LEFT_BEHIND, NOT_A_GUEST, OUT_OF_VM, PUBLIC, STALE  # noqa: E402

A, B = ("vm", "a"), ("vm", "b")
SHOWN, SECRET, OF_A, OF_B, OF_CPU1, OF_CPU2 = 1, 2, 3, 4, 5, 6
OWNERS = {SHOWN: PUBLIC, OF_A: A, OF_B: B, OF_CPU1: ("cpu", 1), OF_CPU2: ("cpu", 2)}
SHARED_DISK = 7
BUFFER = range(100, 116)
RESTRICTED, FULL, OTHER_RESTRICTED = 0x1000, 0x2000, 0x3000


def machine(threads=1, **more):
    """Two cores; CPU 0 (and with two threads its sibling 1) is at an exit."""
    core_of = {cpu: cpu // threads for cpu in range(2 * threads)}
    owners = {**OWNERS, **{line: PUBLIC for line in BUFFER}}
    checker = leakcheck.Checker(core_of, lambda line: owners.get(line, HIDDEN), BUFFER, **more)
    for cpu in core_of:
        checker.host_root[cpu] = checker.root[cpu] = RESTRICTED
    return checker


def kinds(checker):
    """Of what caches and buffers hold: these events do not drop translations."""
    return sorted(v.kind for v in checker.violations.values() if v.kind != STALE)


def fill(checker, cpu, lines=BUFFER):
    for line in lines:
        checker.touch(cpu, line)


class Leaks(unittest.TestCase):
    def escalate(self, c):
        c.load_root(0, FULL)
        c.touch(0, SECRET)
        c.load_root(0, RESTRICTED)

    def test_own_and_public_lines_may_stay(self):
        c = machine()
        for line in (SHOWN, OF_A):
            c.touch(0, line)
        c.enter(0, A)
        c.touch(0, OF_A)
        c.leave(0)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])

    def test_without_flush(self):
        c = machine()
        self.escalate(c)
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])
        c.leave(0)
        c.enter(0, A)
        self.assertEqual([v.count for v in c.violations.values()], [2])

    def test_flush_by_command_and_by_fill(self):
        for flush in (lambda c: c.flush(0), lambda c: fill(c, 0)):
            c = machine()
            self.escalate(c)
            flush(c)
            c.enter(0, A)
            self.assertEqual(kinds(c), [])
            self.assertEqual(c.count["flushes"], 1)

    def test_fill_that_misses_a_line(self):
        c = machine()
        self.escalate(c)
        fill(c, 0, BUFFER[:-1])
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_fill_cut_in_two_by_an_entry(self):
        c = machine()
        fill(c, 0, BUFFER[:8])
        c.enter(0, A)
        c.leave(0)
        c.touch(0, SECRET)
        fill(c, 0, BUFFER[8:])
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_flush_in_the_full_map(self):
        for flush in (lambda c: c.flush(0), lambda c: fill(c, 0)):
            c = machine()
            c.load_root(0, FULL)
            c.touch(0, SECRET)
            flush(c)
            c.load_root(0, RESTRICTED)
            c.enter(0, A)
            self.assertEqual(kinds(c), [LEFT_BEHIND])
            self.assertEqual(c.count["flushes-in-other-map"], 1)

    def test_map_changed_amid_the_fill(self):
        c = machine()
        c.load_root(0, FULL)
        c.touch(0, SECRET)
        fill(c, 0, BUFFER[:8])
        c.load_root(0, RESTRICTED)
        fill(c, 0, BUFFER[8:])
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_unknown_map(self):
        c = machine()
        c.touch(0, SECRET)
        c.load_root(0, None)
        c.flush(0)
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_touch_after_or_amid_the_flush(self):
        c = machine()
        fill(c, 0)
        c.touch(0, SECRET)
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])
        c = machine()
        fill(c, 0, BUFFER[:8])
        c.touch(0, SECRET)
        fill(c, 0, BUFFER[8:])
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_another_vm_on_the_same_core(self):
        c = machine()
        c.enter(0, A)
        c.touch(0, OF_A)
        c.leave(0)
        c.enter(0, B)
        self.assertEqual(kinds(c), [LEFT_BEHIND])
        c = machine()
        c.enter(0, A)
        c.touch(0, OF_A)
        c.leave(0)
        c.flush(0)
        c.enter(0, B)
        self.assertEqual(kinds(c), [])

    def test_other_cores_do_not_matter(self):
        c = machine()
        c.touch(1, SECRET)
        c.touch(1, OF_B)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])

    def test_private_data_of_another_core(self):
        c = machine(2)
        c.touch(0, OF_CPU1)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])
        c.touch(0, OF_CPU2)
        self.assertEqual(kinds(c), [OUT_OF_VM])

    def test_what_several_vms_read(self):
        """It may stay from one of them to the other and be touched by both; a third VM must not find it."""
        owners = {SHARED_DISK: ("vms", frozenset("ab"))}
        for guests, want in (((A, B), []), ((A, ("vm", "c")), [LEFT_BEHIND]), ((("vm", "c"),), [OUT_OF_VM])):
            c = leakcheck.Checker({0: 0}, lambda line: owners.get(line, HIDDEN))
            for guest in guests:
                c.enter(0, guest)
                if guest[1] in "ab" or len(guests) == 1:
                    c.touch(0, SHARED_DISK)
                c.leave(0)
            self.assertEqual(kinds(c), want)

    def test_a_reader_that_turns_up_later(self):
        owners = {SHARED_DISK: A}
        c = leakcheck.Checker({0: 0}, lambda line: owners.get(line, HIDDEN))
        c.enter(0, A)
        c.touch(0, SHARED_DISK)
        c.leave(0)
        owners[SHARED_DISK] = ("vms", frozenset("ab"))
        c.enter(0, B)
        self.assertEqual(kinds(c), [])
        c.leave(0)
        c.enter(0, ("vm", "c"))
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_guest_reaches_out(self):
        for line in (SECRET, OF_B):
            c = machine()
            c.enter(0, A)
            c.touch(0, line)
            self.assertEqual(kinds(c), [OUT_OF_VM])

    def test_guest_code_is_a_vms(self):
        c = machine()
        c.enter(0, HIDDEN)
        self.assertEqual(kinds(c), [NOT_A_GUEST])


class Buffers(unittest.TestCase):
    def escalate(self, c, cpu=0):
        c.load_root(cpu, FULL)
        c.touch(cpu, SECRET)
        c.load_root(cpu, RESTRICTED)
        c.flush(cpu)

    def test_without_verw(self):
        c = machine(buffers=True)
        self.escalate(c)
        c.enter(0, A)
        self.assertEqual(kinds(c), [IN_BUFFERS])
        c = machine()
        self.escalate(c)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])

    def test_verw(self):
        c = machine(buffers=True)
        self.escalate(c)
        c.verw(0)
        c.touch(0, OF_A)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])
        self.assertEqual(c.count["verws"], 1)

    def test_verw_is_no_flush(self):
        c = machine(buffers=True)
        c.touch(0, SECRET)
        c.verw(0)
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_touch_after_verw(self):
        c = machine(buffers=True)
        c.verw(0)
        self.escalate(c)
        c.enter(0, A)
        self.assertEqual(kinds(c), [IN_BUFFERS])

    def test_verw_in_the_full_or_an_unknown_map(self):
        for root in (FULL, None):
            c = machine(buffers=True)
            c.load_root(0, root)
            c.touch(0, SECRET)
            c.verw(0)
            c.load_root(0, RESTRICTED)
            c.flush(0)
            c.enter(0, A)
            self.assertEqual(kinds(c), [IN_BUFFERS])

    def test_verw_of_a_sibling_is_its_own(self):
        for thread in (0, 1):
            c = machine(2, buffers=True)
            self.escalate(c, 1)
            c.verw(thread)
            c.enter(0, A)
            self.assertEqual(kinds(c), [] if thread == 1 else [IN_BUFFERS])

    def test_another_vm(self):
        for verw in (False, True):
            c = machine(buffers=True)
            c.enter(0, A)
            c.touch(0, OF_A)
            c.leave(0)
            c.flush(0)
            if verw:
                c.verw(0)
            c.enter(0, B)
            self.assertEqual(kinds(c), [] if verw else [IN_BUFFERS])

    def test_structures_and_what_came_before_the_trace(self):
        c = machine(2, buffers=True)
        c.restart({0: RESTRICTED, 1: RESTRICTED}, {0: None, 1: "a"})
        c.touch_by_processor(0, OF_A, A)
        c.flush(0)
        c.verw(0)
        c.enter(0, B)
        self.assertEqual([(v.kind, v.line) for v in c.violations.values()], [(IN_BUFFERS, BEFORE)])

    def test_other_cores_do_not_matter(self):
        c = machine(buffers=True)
        c.touch(1, SECRET)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])


class Policies(unittest.TestCase):
    def test_a_flush_in_the_map_that_exits_load(self):
        for restricts in (False, True):
            c = machine()
            c.load_root(0, FULL)
            c.change_policy(0, RESTRICTED if restricts else FULL, restricts)
            c.touch(0, SECRET)
            c.flush(0)
            c.enter(0, A)
            self.assertEqual(kinds(c), [LEFT_BEHIND] if restricts else [])
            self.assertEqual(c.count["policy-changes"], not restricts)

    def test_beside_full(self):
        for restricts in (False, True):
            c = machine(2)
            c.load_root(0, FULL)
            c.change_policy(0, RESTRICTED if restricts else FULL, restricts)
            c.enter(1, A)
            self.assertEqual(kinds(c), [BESIDE_FULL] if restricts else [])

    def test_exits_land_in_the_new_map(self):
        c = machine()
        c.enter(0, A)
        c.leave(0)
        c.load_root(0, FULL)
        c.change_policy(0, FULL, False)
        c.enter(0, A)
        c.leave(0)
        c.touch(0, SECRET)
        c.enter(0, A)
        self.assertEqual(kinds(c), [LEFT_BEHIND])
        c.leave(0)
        c.flush(0)
        self.assertEqual(c.count["flushes"], 1)


class Siblings(unittest.TestCase):
    def test_touched_beside_a_guest(self):
        for line in (SECRET, OF_B):
            c = machine(2)
            c.enter(1, A)
            c.touch(0, line)
            self.assertEqual(kinds(c), [BESIDE_GUEST])

    def test_beside_a_stunned_guest(self):
        c = machine(2)
        c.enter(1, A)
        c.leave(1)
        c.touch(0, SECRET)
        self.assertEqual(kinds(c), [])
        c.enter(1, A)  # unstunned before the flush
        self.assertEqual(kinds(c), [LEFT_BEHIND])

    def test_one_flush_is_for_the_core(self):
        c = machine(2)
        c.touch(0, SECRET)
        c.flush(1)
        c.enter(0, A)
        c.enter(1, A)
        self.assertEqual(kinds(c), [])

    def test_siblings_of_two_vms(self):
        c = machine(2)
        c.enter(0, A)
        c.enter(1, B)
        c.touch(0, OF_A)
        self.assertEqual(kinds(c), [BESIDE_GUEST])

    def test_full_map_beside_a_guest(self):
        c = machine(2)
        c.enter(1, A)
        c.load_root(0, FULL)
        self.assertEqual(kinds(c), [BESIDE_FULL])
        c = machine(2)
        c.load_root(0, FULL)
        c.enter(1, A)  # nothing was touched yet
        self.assertEqual(kinds(c), [BESIDE_FULL])
        c = machine(2)
        c.enter(1, A)
        c.load_root(0, None)
        self.assertEqual(kinds(c), [BESIDE_FULL])

    def test_full_map_that_was_left(self):
        c = machine(2)
        c.load_root(0, FULL)
        c.load_root(0, RESTRICTED)
        c.enter(1, A)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])
        c.load_root(2, FULL)  # of the other core
        c.enter(1, A)
        self.assertEqual(kinds(c), [])

    def test_policy_without_a_restricted_map(self):
        c = machine(2, restricts=False)
        c.enter(1, A)
        c.load_root(0, FULL)
        self.assertEqual(kinds(c), [])
        c.touch(0, SECRET)
        self.assertEqual(kinds(c), [BESIDE_GUEST])

    def test_restricted_map_that_exits_do_not_load(self):
        for safe in (False, True):
            c = machine(2, restricts=False)
            c.safe_roots |= {OTHER_RESTRICTED} if safe else set()
            c.touch(0, SECRET)
            c.load_root(0, OTHER_RESTRICTED)
            fill(c, 0)
            c.enter(1, A)
            self.assertEqual(kinds(c), [] if safe else [LEFT_BEHIND])

    def test_entries_beside_a_guest_are_counted(self):
        c = machine(2)
        c.enter(0, A)
        c.enter(1, A)
        c.leave(0)
        c.leave(1)
        c.enter(1, A)
        self.assertEqual(c.count["together"], 1)

    def test_guest_on_another_core(self):
        c = machine(2)
        c.enter(2, A)
        c.touch(0, SECRET)
        self.assertEqual(kinds(c), [])


class Stale(unittest.TestCase):
    """CPU 0 changes from A to B: its window in both maps, then their translations and the guest's."""
    MAPS = (RESTRICTED, FULL)

    def change(self, drop=MAPS, invept=True, late=False):
        c = machine()
        c.restart({0: RESTRICTED, 1: None}, {0: "a"})
        c.load_root(0, FULL)
        for root in () if late else self.MAPS:
            c.show_window(root, "b")
        for root in drop:
            c.load_root(0, root, flushes=True)
        for root in self.MAPS if late else ():
            c.show_window(root, "b")
        if invept:
            c.invept(0)
        c.load_root(0, RESTRICTED)
        fill(c, 0)
        c.enter(0, B)
        return [(v.kind, v.line, v.owner) for v in c.violations.values()]

    def test_all_dropped(self):
        self.assertEqual(self.change(), [])

    def test_one_not_dropped(self):
        for left, line in ((RESTRICTED, leakcheck.WINDOW_TLB), (FULL, leakcheck.OTHER_WINDOW_TLB)):
            self.assertEqual(self.change([root for root in self.MAPS if root != left]), [(STALE, line, A)])
        self.assertEqual(self.change(invept=False), [(STALE, leakcheck.GUEST_TLB, A)])

    def test_dropped_before_the_window_changes(self):
        self.assertEqual(len(self.change(late=True)), 2)

    def test_nobody_else_in_between(self):
        c = machine()
        c.restart({0: RESTRICTED, 1: None}, {0: "a"})
        c.enter(0, A)
        c.leave(0)
        c.invept(1)  # another CPU's
        c.enter(0, A)
        self.assertEqual(c.violations, {})

    def test_window_without_a_guest(self):
        """A CPU that only looked at A's memory, as an audit does."""
        c = machine()
        c.restart({0: RESTRICTED, 1: None}, {0: "b"})
        c.show_window(RESTRICTED, "a")
        c.show_window(RESTRICTED, "b")
        c.enter(0, B)
        self.assertEqual([v.line for v in c.violations.values()], [leakcheck.WINDOW_TLB])


class SharedCore(unittest.TestCase):
    """What the processor touches to run a VM, and what a VM did before the trace."""
    VMCS_A, VMCS_B, EPT_A, BITMAP = 21, 22, 23, 24

    def test_structures_of_the_vm_itself(self):
        c = machine()
        c.touch_by_processor(0, self.VMCS_A, A)
        c.enter(0, A)
        c.touch_by_processor(0, self.EPT_A, A)
        c.leave(0)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])

    def test_structures_of_the_vm_before(self):
        for flush in (False, True):
            c = machine()
            c.touch_by_processor(0, self.VMCS_A, A)
            if flush:
                c.flush(0)
            c.enter(0, B)
            self.assertEqual(kinds(c), [] if flush else [LEFT_BEHIND])
            self.assertEqual([v.owner for v in c.violations.values()], [] if flush else [A])

    def test_stale_structures_amid_a_guest(self):
        c = machine()
        c.enter(0, B)
        c.touch_by_processor(0, self.EPT_A, A)
        self.assertEqual(kinds(c), [OUT_OF_VM])

    def test_structures_beside_another_vm(self):
        c = machine(2)
        c.enter(1, B)
        c.touch_by_processor(0, self.VMCS_A, A)
        self.assertEqual(kinds(c), [BESIDE_GUEST])

    def test_structures_of_nobody(self):
        c = machine()
        for owner in (PUBLIC, HIDDEN, ("cpu", 1)):
            c.touch_by_processor(0, self.BITMAP, owner)
        c.enter(0, A)
        self.assertEqual(kinds(c), [])

    def test_before_the_trace(self):
        c = machine(2)
        c.restart({0: RESTRICTED, 1: RESTRICTED}, {0: "a", 1: None})
        c.enter(1, A)
        self.assertEqual(kinds(c), [])
        c.leave(1)
        c.enter(1, B)
        self.assertEqual([(v.kind, v.line) for v in c.violations.values() if v.kind != STALE], [(LEFT_BEHIND, BEFORE)])
        c = machine(2)
        c.restart({0: RESTRICTED, 1: RESTRICTED}, {0: "a", 1: None})
        c.flush(1)
        c.enter(1, B)
        self.assertEqual(kinds(c), [])
        self.assertEqual(c.count["switches"], 1)

    def test_restart_forgets(self):
        c = machine()
        c.touch(0, SECRET)
        c.restart({0: RESTRICTED, 1: None})
        c.enter(0, A)
        self.assertEqual(kinds(c), [])

    def attribution(self):
        self.served = {}
        return leakcheck.Attribution({0: 0, 1: 0}, self.served.__setitem__)

    def test_vmcs_is_that_of_the_next_guest(self):
        a = self.attribution()
        a.access(0, self.VMCS_A, "VMCS")
        a.access(0, self.VMCS_B, "VMCS")
        a.enter(0, B)
        self.assertEqual(self.served, {self.VMCS_B: B})

    def test_what_the_processor_needs_amid_and_before_a_guest(self):
        a = self.attribution()
        a.access(0, self.VMCS_A, "VMCS")
        a.access(0, self.EPT_A, "EPT PTE")  # VM entry that injects an event
        a.access(0, 99, "PML4E")
        a.access(1, 98, "EPT PTE")
        a.enter(0, A)
        a.access(0, self.BITMAP, "MSR BITMAP")
        a.access(0, 97, "VMX LDMSR")
        a.access(0, 99, "PTE")
        a.leave(0)
        self.assertEqual(self.served, {self.VMCS_A: A, self.EPT_A: A, self.BITMAP: A, 97: A})

    def test_what_serves_two_vms_is_nobodys(self):
        owners = pagewalk.Ownership(None)
        owners.serve(self.VMCS_A, A)
        owners.serve(self.BITMAP, A)
        owners.serve(self.BITMAP, B)
        owners.serve(self.BITMAP, A)
        self.assertEqual([owners.of_access_by_processor(f) for f in (self.VMCS_A, self.BITMAP, 99)], [A, PUBLIC, PUBLIC])
        self.assertEqual(owners.of(self.VMCS_A), HIDDEN)  # for instructions


class Ownership(unittest.TestCase):
    """Frames by the windows that show them, from made-up page tables: three levels, each entry in slot 0 but the last."""
    ONE, TWO, THREE = 0x100000, 0x200000, 0x300000
    OWN, SHARED = 0x900, 0x901  # frame numbers

    def owners(self, *windows):
        """@windows: (table, {frame: writable})."""
        owners = pagewalk.Ownership(None)
        for table, frames in windows:
            below = {table: [table + 0x1000], table + 0x1000: [table + 0x2000],
                     table + 0x2000: [frame << 12 | pagewalk.WRITE * writable for frame, writable in frames.items()]}
            pages = {page: [entry | pagewalk.PRESENT | (pagewalk.WRITE if page != table + 0x2000 else 0) for entry in entries]
                     for page, entries in below.items()}
            owners.add_window(pages.__getitem__, table)
        return owners

    def test_what_two_may_only_read(self):
        one, two, three = ((table, {self.OWN + 16 * n: True, self.SHARED: False})
                           for n, table in enumerate((self.ONE, self.TWO, self.THREE)))
        owners = self.owners(one, two, one, two)
        self.assertEqual(owners.of(self.SHARED), ("vms", {self.ONE, self.TWO}))
        self.assertEqual([owners.of(self.OWN), owners.of(self.OWN + 16)], [("vm", self.ONE), ("vm", self.TWO)])
        self.assertEqual(owners.twice, [])
        self.assertEqual(self.owners(one).of(self.SHARED), ("vm", self.ONE))
        self.assertEqual(self.owners(one, two, three).of(self.SHARED), ("vms", {self.ONE, self.TWO, self.THREE}))

    def test_what_one_may_write_is_not_shared(self):
        for first, second in ((True, True), (True, False), (False, True)):
            owners = self.owners((self.ONE, {self.SHARED: first}), (self.TWO, {self.SHARED: second}))
            self.assertEqual(owners.of(self.SHARED), ("vm", self.ONE))
            self.assertEqual(len(owners.twice), 1)


if __name__ == "__main__":
    unittest.main()
