# SPDX-License-Identifier: MIT
"""The oracle's parser on lines of traces; oracle_selftest.py runs it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
import memtrace  # noqa: E402


class Parsing(unittest.TestCase):
    ROOT_LINE = b"(0).[%d] [0x000001000000] 0008:ffffffff81000000 (unk. ctxt): %s ; 00"
    GUEST_LINE = b"(0).[9] [0x000007000000] 0008:0000000000100000 (unk. ctxt): nop ; 90"

    def parse(self, *lines, offset=None, **more):
        self.parser = memtrace.Parser({0x1000}.__contains__, offset)
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

    def test_msrs_that_exit_and_entry_load(self):
        line = b"[CPU0 RD]: PHY 0x0000001a7010 (len=8, INVALID): 0x00000000 0x00000048\t; VMX LDMSR"
        self.assertEqual(self.parse(line), [(memtrace.OWN_ACCESS, 0, 0x1a7010 >> 6, "VMX LDMSR", b"")])
        line = line.replace(b"VMX LDMSR", b"NEW")  # not taken for data that goes to CR3 either
        self.assertEqual(self.kinds(self.ROOT_LINE % (1, b"push r15"), line), [memtrace.TOUCH])

    def test_map_that_exits_load(self):
        line = b"[CPU1 WR]: PHY 0x000007fd1c58 (len=8, WB): 0x00000000 0x001B3001\t; VMCS"
        both = [memtrace.EXIT_ROOT, memtrace.OWN_ACCESS]
        for text, policies, want in ((line, True, both), (line, False, both[1:]), (line.replace(b"WR", b"RD"), True, both[1:]),
                                     (line.replace(b"3001", b"3000"), True, both[1:]), (line.replace(b"=8", b"=4"), True, both[1:])):
            self.assertEqual([event[0] for event in self.parse(text, policies=policies)], want)
        self.assertEqual(self.parse(line, policies=True)[0], (memtrace.EXIT_ROOT, 1, 0x1b3000))

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
        self.assertEqual(self.parse(load, data, pop, other, write)[-1], (memtrace.ROOT, 0, 0x18a000, write, False))
        self.assertEqual(self.parse(pop, other, write)[-1], (memtrace.ROOT, 0, None, write, False))
        clear = self.ROOT_LINE % (1, b"and rax, qword ptr ds:[rbx+128]")
        self.assertEqual(self.parse(clear, data, write)[-1], (memtrace.ROOT, 0, 0x18a000, write, True))
        # What is clear already, or is cleared in between; another register does not count.
        self.assertEqual(self.parse(load, other, pop, write)[-1], (memtrace.ROOT, 0, 0x777000, write, True))
        for text, flushes in ((b"and rax, rdx", True), (b"btr rax, 0x3f", True), (b"and rdx, rax", False)):
            self.assertEqual(self.parse(load, data, self.ROOT_LINE % (2, text), write)[-1],
                             (memtrace.ROOT, 0, 0x18a000, write, flushes))
        # An NMI between the two.
        push = other.replace(b"RD", b"WR")
        handler, back = self.ROOT_LINE % (7, b"push rcx"), self.ROOT_LINE % (8, b"iret")
        self.assertEqual(self.parse(load, data, other, push, handler, push, back, other, write)[-1],
                         (memtrace.ROOT, 0, 0x18a000, write, False))

    def test_entry_of_a_root(self):
        write = b"[CPU0 WR]: LIN 0xffff80000018a900 PHY 0x00000018a900 (len=8, WB): 0x00000000 0x00181023"
        at = {"offset": 0x900}
        self.assertEqual(self.parse(write, **at), [(memtrace.ENTRY, 0x18a900, 0x181023), (memtrace.TOUCH, 0, 0x18a900 >> 6, b"")])
        for other in (write.replace(b"WR", b"RD"), write.replace(b"len=8", b"len=4"), write.replace(b"18a900 (", b"18a908 (")):
            self.assertEqual([event[0] for event in self.parse(other, **at)], [memtrace.TOUCH])
        self.assertEqual([event[0] for event in self.parse(self.GUEST_LINE, write, **at)], [memtrace.ENTER, memtrace.TOUCH])

    def test_invept(self):
        self.assertEqual(self.kinds(self.ROOT_LINE % (1, b"invept rax, dqword ptr ss:[rsp]")), [memtrace.INVEPT])
        self.assertEqual(self.kinds(self.ROOT_LINE % (1, b"invvpid rax, dqword ptr ss:[rsp]")), [])

    def test_flush_command(self):
        write = self.ROOT_LINE % (3, b"wrmsr")
        number, one, zero = (self.ROOT_LINE % (1, text) for text in (b"mov ecx, 0x0000010b", b"mov eax, 0x00000001",
                                                                     b"mov eax, 0x00000000"))
        other = self.ROOT_LINE % (1, b"mov ecx, 0x0000010c")
        self.assertEqual(self.kinds(number, one, write), [memtrace.FLUSH])
        self.assertEqual(self.kinds(number, zero, write), [])
        self.assertEqual(self.kinds(other, one, write), [])

    def test_flush_that_an_nmi_interrupts(self):
        """Its handler's instructions come in between; only those that an IRET leads back from are forgotten."""
        place = b"(0).[%d] [0x000001000000] 0008:%016x (unk. ctxt): %s ; %s"
        code, handler, far = 0xffffffff81000000, 0xffffffff81002000, 0xffffffff81003000

        def at(va, text, size):
            return place % (1, va, text, b"90" * size)

        number, one, write = at(code, b"mov ecx, 0x0000010b", 5), at(code + 5, b"mov eax, 0x00000001", 5), at(code + 10, b"wrmsr", 2)
        nmi = [at(handler + i, b"push r15", 1) for i in range(3 * memtrace.RECENT)] + [at(handler + 100, b"mov eax, 0x00000007", 5)]
        back = at(handler + 105, b"iret", 2)
        self.assertEqual(self.kinds(number, one, write), [memtrace.FLUSH])
        for before, after in (([], [number, one]), ([number], [one]), ([number, one], [])):
            self.assertEqual(self.kinds(*before, *nmi, back, *after, write), [memtrace.FLUSH])
        # A handler that came upon another place, or has no end, tells what the registers hold.
        self.assertEqual(self.kinds(number, one, *nmi, write), [])
        self.assertEqual(self.kinds(number, one, *nmi, back, at(far, b"wrmsr", 2)), [])
        # The value that CR3 gets, too.
        load, cr3 = at(code, b"mov rax, qword ptr ss:[rbp+32]", 5), at(code + 5, b"mov cr3, rax", 3)
        data = b"[CPU0 RD]: LIN 0xffffa00000000020 PHY 0x00000018b020 (len=8, WB): 0x80000000 0x0018A001"
        frame = b"[CPU0 RD]: LIN 0xffffa00000000020 PHY 0x00000018b020 (len=8, WB): 0x00000000 0x00777000"
        pop = at(handler, b"mov rax, qword ptr ss:[rsp]", 5)
        self.assertEqual(self.parse(load, data, pop, frame, back, cr3)[-1], (memtrace.ROOT, 0, 0x18a000, cr3, False))

    def test_verw(self):
        self.assertEqual(self.kinds(self.ROOT_LINE % (1, b"verw word ptr ds:[rip+75590]")), [memtrace.VERW])
        self.assertEqual(self.kinds(self.ROOT_LINE % (1, b"verr word ptr ds:[rip+75590]")), [])
