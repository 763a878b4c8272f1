# SPDX-License-Identifier: MIT
"""What tools/check-stack proves with, on made-up code: depths are exact, and whatever is not known or not said is noticed."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
sys.dont_write_bytecode = True
from disassembly import Image, addresses_taken  # noqa: E402
from stackdepth import FRAME, Code, Depths, Tables, Unsaid, everything  # noqa: E402

# What all code here may call.
COMMON = """
leaf: sub rsp, 40
	add rsp, 40
	ret
huge: sub rsp, 1000
	add rsp, 1000
	ret
mark: ret
look: ret
scrub: ret
dead: sub rsp, 5000
.on: jmp .on
"""
ROOM = 100


class Given(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cloister-stack-")
        self.addCleanup(shutil.rmtree, self.folder)

    def assemble(self, text):
        """The object file; each label that is not local is a function."""
        source, target = os.path.join(self.folder, "code.asm"), os.path.join(self.folder, "code.o")
        text += COMMON
        names = [line.split(":")[0] for line in text.splitlines() if line[:1].isalpha() and ":" in line]
        with open(source, "w") as f:
            f.write("bits 64\ndefault rel\nsection .text\n" + "".join("global %s:function\n" % name for name in names) + text)
        subprocess.run(["nasm", "-f", "elf64", source, "-o", target], check=True)
        return target

    def code(self, text, **tables):
        image = Image(self.assemble(text))
        tables["interrupts"] = [image.addresses[name][0] for name in tables.get("interrupts", ())]
        return Code(image, Tables(**tables))

    def depth(self, text, **tables):
        """From `root` on, where nothing is wrong."""
        code = self.code(text, **tables)
        depth, _ = Depths(code, everything).of(code.image.addresses["root"][0])
        self.assertEqual(code.problems, [])
        return depth

    def problems(self, text, **tables):
        code = self.code(text, **tables)
        Depths(code, everything).of(code.image.addresses["root"][0])
        return "\n".join(code.problems)

    def unsaid(self, text):
        code = self.code(text, mark="mark", looks={"look"}, scrub="scrub")
        depth, _ = Unsaid(code, ROOM).of(code.image.addresses["root"][0])
        self.assertEqual(code.problems, [])
        return depth


class Depth(Given):
    def test_calls_and_jumps(self):
        self.assertEqual(self.depth("root: push rax\n call leaf\n pop rax\n ret\n"), 8 + 8 + 40)
        self.assertEqual(self.depth("root: push rax\n pop rax\n jmp leaf\n"), 40)
        self.assertEqual(self.depth("root: test eax, eax\n jz leaf\n sub rsp, 24\n lea rsp, [rsp + 24]\n ret\n"), 40)
        self.assertEqual(self.depth("root: push rax\n pop rax\n"), 40)  # falls into leaf
        self.assertEqual(self.depth("root: sub rsp, -128\n add rsp, -128\n call leaf\n ret\n"), 48)

    def test_the_deeper_way_counts(self):
        self.assertEqual(self.depth("root: test eax, eax\n jz .b\n call leaf\n ret\n.b: sub rsp, 64\n call leaf\n add rsp, 64\n ret\n"),
                         64 + 48)

    def test_nothing_is_behind_what_does_not_return(self):
        self.assertEqual(self.depth("root: call dead\nnext: sub rsp, 9000\n ret\n"), 8 + 5000)

    def test_a_frame_pointer(self):
        self.assertEqual(self.depth("root: push rbp\n mov rbp, rsp\n and rsp, -16\n call leaf\n mov rsp, rbp\n pop rbp\n ret\n"),
                         8 + 8 + 8 + 40)

    def test_interrupts(self):
        self.assertEqual(self.depth("root: push rax\n sti\n nop\n cli\n pop rax\n ret\n", interrupts=["leaf"]), 8 + FRAME + 40)

    def test_other_stacks(self):
        text = "root: sub rsp, 16\n mov rsp, rdi\n sub rsp, 4000\n ret\n"
        self.assertEqual(self.depth(text, switches={"root"}), 16)
        self.assertIn("root, 0x4: mov %rdi,%rsp: moves the stack pointer", self.problems(text))
        for move in ("xchg rax, rsp", "pop rsp", "leave", "and rsp, rax", "mov esp, eax", "sub rsp, rax"):
            self.assertIn("not known", self.problems("root: %s\n ret\n" % move), move)

    def test_endless(self):
        self.assertIn("without end", self.problems("root: push rax\n jmp root\n"))

    def test_indirect(self):
        text = "root: push rax\n call rax\n pop rax\n ret\n"
        self.assertIn("root, 0x1: call *%rax: an indirect call that is not declared", self.problems(text))
        self.assertEqual(self.depth(text, indirect={"root": ["leaf", "huge"]}), 8 + 8 + 1000)
        self.assertIn("there is no nobody", self.problems(text, indirect={"root": ["nobody"]}))
        self.assertIn("not declared", self.problems("root: jmp [rax]\n"))

    def test_recursion(self):
        text = "root: call round\n ret\nround: sub rsp, 24\n call leaf\n call round\n add rsp, 24\n ret\n"
        self.assertIn("not declared: round > round", self.problems(text))
        self.assertEqual(self.depth(text, recursion={"round": 3}), 8 + 3 * 24 + 2 * 8 + 8 + 40)
        both = "root: call ping\n ret\nping: push rax\n call pong\n pop rax\n ret\npong: call ping\n call huge\n ret\n"
        self.assertIn("not declared", self.problems(both))
        self.assertEqual(self.depth(both, recursion={"ping": 2}), 8 + 2 * (8 + 8) + 8 + 8 + 1000)


class Frames(Given):
    def test_back_to_what_rbp_says(self):
        begin = "root: push rbp\n mov rbp, rsp\n push rbx\n and rsp, -16\n sub rsp, 96\n lea rsp, [rbp - 8]\n"
        self.assertEqual(self.depth(begin + " pop rbx\n pop rbp\n ret\n"), 120)
        self.assertEqual(self.depth(begin + " call huge\n pop rbx\n pop rbp\n ret\n"), 16 + 8 + 1000)
        self.assertIn("not known", self.problems("root: lea rsp, [rbp - 8]\n ret\n"))

    def test_leave(self):
        begin = "root: push rbp\n mov rbp, rsp\n sub rsp, 200\n"
        self.assertEqual(self.depth(begin + " leave\n ret\n"), 208)
        self.assertEqual(self.depth(begin + " leave\n call huge\n ret\n"), 1008)
        self.assertEqual(self.depth(begin + " call huge\n leave\n ret\n"), 208 + 1008)
        self.assertIn("not known", self.problems("root: push rbp\n leave\n ret\n"))


class Said(Given):
    def test_before_and_behind(self):
        self.assertEqual(self.unsaid("root: call leaf\n ret\n"), 48)
        self.assertEqual(self.unsaid("root: call leaf\n call mark\n call huge\n ret\n"), 48)
        self.assertEqual(self.unsaid("root: call huge\n call mark\n ret\n"), 1008)
        self.assertEqual(self.unsaid("root: test eax, eax\n jz .on\n call mark\n.on: call huge\n ret\n"), 1008)

    def test_who_is_about_to_say_it(self):
        self.assertEqual(self.unsaid("root: call big\n ret\nbig: sub rsp, 500\n mov [rsp], rax\n call mark\n call huge\n add rsp, 500\n ret\n"),
                         0)
        self.assertEqual(self.unsaid("root: call big\n ret\nbig: sub rsp, 500\n jz .no\n call mark\n.no: add rsp, 500\n ret\n"), 508)

    def test_what_a_callee_said_is_not_relied_on(self):
        self.assertEqual(self.unsaid("root: call says\n call huge\n ret\nsays: call mark\n ret\n"), 1008)

    def test_looks(self):
        self.assertEqual(self.unsaid("root: call look\n call leaf\n ret\n"), 8)
        self.assertEqual(self.unsaid("root: call look\n call huge\n ret\n"), 1008)
        self.assertEqual(self.unsaid("root: call asks\n call leaf\n ret\nasks: call look\n ret\n"), 48)
        self.assertEqual(self.unsaid("root: sub rsp, 200\n call look\n add rsp, 200\n ret\n"), 208)

    def test_zeroed(self):
        self.assertEqual(self.unsaid("root: call mark\n call scrub\n call huge\n ret\n"), 1008)
        # In a callee whose caller has said it, too.
        self.assertEqual(self.unsaid("root: call mark\n call waits\n ret\nwaits: call scrub\n call huge\n ret\n"), 8 + 1008)
        self.assertLess(self.unsaid("root: call mark\n call waits\n call huge\n ret\nwaits: call scrub\n call mark\n ret\n"), 0)

    def test_nobody_reads_it(self):
        self.assertEqual(self.unsaid("root: test eax, eax\n jz .bad\n ret\n.bad: sub rsp, 600\n call huge\n call dead\n"), 0)
        self.assertEqual(self.unsaid("root: call huge\n jmp for_ever\nfor_ever: call scrub\n jmp for_ever\n"), 1008)


class Taken(Given):
    def test_addresses(self):
        path = self.assemble(
            "root: call leaf\n jz near huge\n mov rax, first\n call far_away\n ret\nfirst: ret\nsecond: ret\nthird: ret\nother: ret\n"
            "section .data\n dq third\nsection .elsewhere exec\n lea rax, [second]\n jmp other\nfar_away: ret\nsection .text\n")
        self.assertEqual(addresses_taken(path), {"first", "second", "third"})
        self.assertEqual(addresses_taken(path, by=".data"), {"third"})


if __name__ == "__main__":
    unittest.main()
