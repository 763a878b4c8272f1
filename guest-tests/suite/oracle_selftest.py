# SPDX-License-Identifier: MIT
"""The oracle's core and parser on made-up events: a planted violation of each kind must be found, and nothing else."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
sys.dont_write_bytecode = True
import leakcheck  # noqa: E402
import memtrace  # noqa: E402
import pagewalk  # noqa: E402
from leakcheck import BEFORE, BESIDE_FULL, BESIDE_GUEST, HIDDEN, LEFT_BEHIND, NOT_A_GUEST, OUT_OF_VM, PUBLIC  # noqa: E402

A, B = ("vm", "a"), ("vm", "b")
SHOWN, SECRET, OF_A, OF_B, OF_CPU1, OF_CPU2 = 1, 2, 3, 4, 5, 6
OWNERS = {SHOWN: PUBLIC, OF_A: A, OF_B: B, OF_CPU1: ("cpu", 1), OF_CPU2: ("cpu", 2)}
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
    return sorted(v.kind for v in checker.violations.values())


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
        self.assertEqual([(v.kind, v.line) for v in c.violations.values()], [(LEFT_BEHIND, BEFORE)])
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
        a.access(0, 99, "PTE")
        a.leave(0)
        self.assertEqual(self.served, {self.VMCS_A: A, self.EPT_A: A, self.BITMAP: A})

    def test_what_serves_two_vms_is_nobodys(self):
        owners = pagewalk.Ownership(None)
        owners.serve(self.VMCS_A, A)
        owners.serve(self.BITMAP, A)
        owners.serve(self.BITMAP, B)
        owners.serve(self.BITMAP, A)
        self.assertEqual([owners.of_access_by_processor(f) for f in (self.VMCS_A, self.BITMAP, 99)], [A, PUBLIC, PUBLIC])
        self.assertEqual(owners.of(self.VMCS_A), HIDDEN)  # for instructions


class Parsing(unittest.TestCase):
    ROOT_LINE = b"(0).[%d] [0x000001000000] 0008:ffffffff81000000 (unk. ctxt): %s ; 00"
    GUEST_LINE = b"(0).[9] [0x000007000000] 0008:0000000000100000 (unk. ctxt): nop ; 90"

    def parse(self, *lines, **more):
        self.parser = memtrace.Parser({0x1000}.__contains__)
        return self.parser.parse(lines, **more)

    def kinds(self, *lines):
        return [event[0] for event in self.parse(*lines)]

    def test_modes(self):
        root = self.ROOT_LINE % (1, b"push r15")
        self.assertEqual(self.kinds(root, self.GUEST_LINE, self.GUEST_LINE, root), [memtrace.ENTER, memtrace.LEAVE])

    def test_access(self):
        text = self.ROOT_LINE % (1, b"push r15")
        events = self.parse(text, b"[CPU0 WR]: LIN 0xffff90400100f9b0 PHY 0x0000010559b0 (len=8, WB): 0x00000000 0x00000000")
        self.assertEqual(events, [(memtrace.TOUCH, 0, 0x10559b0 >> 6, text)])
        events = self.parse(text, b"[CPU12 RD]: LIN 0xffff90400100f9bc PHY 0x0000010559bc (len=8, WB): 0x00000000 0x00000000")
        self.assertEqual([(e[1], e[2]) for e in events], [(12, 0x10559bc >> 6), (12, (0x10559bc >> 6) + 1)])

    def test_uncached(self):
        self.assertEqual(self.kinds(b"[CPU0 WR]: LIN 0xffffb01000000380 PHY 0x0000fee00380 (len=4, UC): 0x00000000"), [])

    def test_accesses_of_the_processor(self):
        line = b"[CPU0 RD]: PHY 0x00000018a900 (len=8, WB): 0x00000000 0x00181023\t; PML4E"
        self.assertEqual(self.parse(line, watch_entries={0x18a900}), [(memtrace.OWN_ACCESS, 0, 0x18a900 >> 6, "PML4E", b"")])
        self.assertEqual(dict(self.parser.by_processor), {"PML4E": 1})
        self.assertEqual(self.parser.window_tables, {0x181000})
        self.parse(line.replace(b"0x00181023", b"0x00000000"), watch_entries={0x18a900})
        self.assertEqual(self.parser.window_tables, set())

    def test_unknown_remark(self):
        line = b"[CPU0 RD]: PHY 0x00000018a900 (len=4, WB): 0x00181023\t; NEW"
        self.assertEqual(self.kinds(line), [memtrace.TOUCH])

    def test_nmi_before_the_first_instruction(self):
        """The frame of an NMI right behind an exit is no access of the guest's; without the exit it is."""
        push = b"[CPU0 WR]: LIN 0xffff90400100f9b0 PHY 0x0000010559b0 (len=8, WB): 0x00000000 0x00000000"
        saved = b"[CPU0 WR]: PHY 0x00000018a900 (len=8, WB): 0x00000000 0x00000000\t; VMCS"
        read = saved.replace(b"WR", b"RD")
        self.assertEqual(self.kinds(self.GUEST_LINE, saved, push),
                         [memtrace.ENTER, memtrace.OWN_ACCESS, memtrace.LEAVE, memtrace.TOUCH])
        self.assertEqual(self.kinds(self.GUEST_LINE, read, push), [memtrace.ENTER, memtrace.OWN_ACCESS, memtrace.TOUCH])

    def test_map(self):
        load = self.ROOT_LINE % (1, b"mov rax, qword ptr ss:[rbp+32]")
        data = b"[CPU0 RD]: LIN 0xffffa00000000020 PHY 0x00000018b020 (len=8, WB): 0x80000000 0x0018A001"
        other = b"[CPU0 RD]: LIN 0xffffa00000000020 PHY 0x00000018b020 (len=8, WB): 0x00000000 0x00777000"
        pop = self.ROOT_LINE % (2, b"pop rbx")
        write = self.ROOT_LINE % (3, b"mov cr3, rax")
        self.assertEqual(self.parse(load, data, pop, other, write)[-1], (memtrace.ROOT, 0, 0x18a000, write))
        self.assertEqual(self.parse(pop, other, write)[-1], (memtrace.ROOT, 0, None, write))
        clear = self.ROOT_LINE % (1, b"and rax, qword ptr ds:[rbx+128]")
        self.assertEqual(self.parse(clear, data, write)[-1], (memtrace.ROOT, 0, 0x18a000, write))

    def test_flush_command(self):
        write = self.ROOT_LINE % (3, b"wrmsr")
        number, one, zero = (self.ROOT_LINE % (1, text) for text in (b"mov ecx, 0x0000010b", b"mov eax, 0x00000001",
                                                                     b"mov eax, 0x00000000"))
        other = self.ROOT_LINE % (1, b"mov ecx, 0x0000010c")
        self.assertEqual(self.kinds(number, one, write), [memtrace.FLUSH])
        self.assertEqual(self.kinds(number, zero, write), [])
        self.assertEqual(self.kinds(other, one, write), [])


if __name__ == "__main__":
    unittest.main()
