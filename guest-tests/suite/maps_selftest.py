# SPDX-License-Identifier: MIT
"""What tools/check-maps proves with, on made-up code: each way by which code comes to a FULL function in restricted is found, and
none where it has left it."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
sys.dont_write_bytecode = True
from disassembly import Image  # noqa: E402
from mapflow import FULL, HELD, RESTRICTED, Maps, Tables  # noqa: E402
import stackdepth  # noqa: E402

# What all code here may call. leave_() goes to full, return_() to restricted; may() leaves, or does not.
COMMON = """
leave_: ret
return_: ret
may: test eax, eax
	jz leave_
	ret
does: push rax
	call leave_
	pop rax
	ret
sensitive: ret
harmless: ret
only: ret
sensitive.part.0: ret
never: call leave_
.on: jmp .on
"""
WORDS = {"root": "ANY", "sensitive": "FULL", "only": "RESTRICTED", "harmless": "ANY"}
VARIABLE = 0x7000


class Given(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cloister-maps-")
        self.addCleanup(shutil.rmtree, self.folder)

    def maps(self, text, words=(), held=(), **tables):
        source, target = os.path.join(self.folder, "code.asm"), os.path.join(self.folder, "code.o")
        text += COMMON
        names = [line.split(":")[0] for line in text.splitlines() if line[:1].isalpha() and ":" in line]
        with open(source, "w") as f:
            f.write("bits 64\nsection .text\n" + "".join("global %s:function\n" % name for name in names) + text)
        subprocess.run(["nasm", "-f", "elf64", source, "-o", target], check=True)
        image = Image(target)
        code = stackdepth.Code(image, stackdepth.Tables(indirect=tables.pop("indirect", None)))
        tables = dict({"leads": {"leave_": FULL, "return_": RESTRICTED}, "roots": {"root": FULL}, "words": dict(WORDS, **dict(words)),
                       "variable": lambda at: "secret" if VARIABLE <= at < VARIABLE + 0x1000 else None}, **tables)
        found = Maps(code, {name: address for address, name in image.name_at.items()}, Tables(**tables))
        for name in held:
            found.enter(image.addresses[name][0], HELD)
        found.run()
        self.assertEqual(code.problems, [])
        return found

    def clean(self, text, **more):
        self.assertEqual([text for _, text in self.maps(text, **more).problems.values()], [])

    def found(self, text, what, **more):
        texts = [text for _, text in self.maps(text, **more).problems.values()]
        self.assertEqual(len(texts), 1, texts)
        self.assertIn(what, texts[0])


class Calls(Given):
    def test_straight(self):
        self.found("root: call sensitive\n ret\n", "calls sensitive(), which is FULL, in restricted")
        self.clean("root: call harmless\n ret\n")
        self.clean("root: call sensitive\n ret\n", words={"root": "FULL"})

    def test_behind_the_way_out(self):
        self.clean("root: call leave_\n call sensitive\n ret\n")
        self.clean("root: call does\n call sensitive\n ret\n")
        self.clean("root: call leave_\n jmp sensitive\n")
        self.found("root: call sensitive\n call leave_\n ret\n", "sensitive")

    def test_not_on_each_way(self):
        self.found("root: call may\n call sensitive\n ret\n", "sensitive")
        self.found("root: test eax, eax\n jz .past\n call leave_\n.past: call sensitive\n ret\n", "sensitive")
        self.found("root: test eax, eax\n jz leave_\n call sensitive\n ret\n", "sensitive")
        self.clean("root: test eax, eax\n jz .past\n call leave_\n call sensitive\n.past: ret\n")

    def test_behind_the_way_back(self):
        self.found("root: call leave_\n call return_\n call sensitive\n ret\n", "sensitive")
        self.found("root: call return_\n call sensitive\n ret\n", "sensitive", words={"root": "FULL"})
        self.found("root: call leave_\n.again: call sensitive\n call return_\n jmp .again\n", "sensitive")

    def test_by_jump_and_by_fall(self):
        self.found("root: jmp sensitive\n", "sensitive")
        self.found("root: test eax, eax\n jz sensitive\n ret\n", "sensitive")
        self.found("root: push rax\n pop rax\nfalls: jmp sensitive\n", "sensitive")

    def test_through_what_has_no_word(self):
        deep = "inner: call sensitive\n ret\n"
        self.found("root: call inner\n ret\n" + deep, "sensitive")
        self.clean("root: call leave_\n call inner\n ret\n" + deep)
        self.clean("root: ret\n" + deep)  # nobody calls it
        self.found("root: call rax\n ret\n" + deep, "sensitive", indirect={"root": ["inner"]})

    def test_a_copy_of_a_function(self):
        self.found("root: call sensitive.part.0\n ret\n", "calls sensitive(), which is FULL, in restricted")

    def test_what_does_not_return(self):
        self.clean("root: test eax, eax\n jz .end\n ret\n.end: call never\n")

    def test_recursion(self):
        self.found("root: call inner\n ret\ninner: test eax, eax\n jz .end\n call inner\n call sensitive\n.end: ret\n", "sensitive")
        self.clean("root: call inner\n call sensitive\n ret\ninner: test eax, eax\n jz .end\n call inner\n.end: call leave_\n ret\n")

    def test_way(self):
        maps = self.maps("root: call inner\n ret\ninner: call sensitive\n ret\n")
        (at, _), = maps.problems.values()
        self.assertEqual(maps.way(at), "root > inner")


class Variables(Given):
    def test_each_kind_of_access(self):
        for access in ("mov eax, [0x7000]", "mov [0x7ff8], eax", "lock inc qword [0x7000 + rax * 8]", "lea rax, [0x7010]",
                       "mov eax, 0x7000", "add rax, 0x7000"):
            self.found("root: %s\n ret\n" % access, "touches secret in restricted")
            self.clean("root: call leave_\n %s\n ret\n" % access)
        self.clean("root: mov eax, [0x8000]\n mov eax, [rax + 0x10]\n ret\n")

    def test_physmap(self):
        self.found("root: mov rax, 0xffff800000000000\n ret\n", "touches physmap")
        self.clean("root: call leave_\n mov rax, 0xffff800000000000\n ret\n")

    def test_behind_a_fault(self):
        self.found("root: mov eax, [0x7000]\n call sensitive\n ret\n", "secret")  # which the first one has led to full


class Others(Given):
    def test_restricted(self):
        self.clean("root: call only\n ret\n")
        self.found("root: call leave_\n call only\n ret\n", "calls only(), which is RESTRICTED, in full")
        self.found("root: call only\n ret\n", "RESTRICTED, in full", words={"root": "FULL"})
        self.found("root: call does\n ret\n", "where restricted must not be left", words={"root": "RESTRICTED"})

    def test_held(self):
        self.clean("root: call does\n ret\n")
        self.found("root: call does\n ret\n", "where restricted must not be left", held=["root"])
        self.clean("root: call harmless\n ret\n", held=["root"])

    def test_loads_of_a_map(self):
        self.clean("root: mov cr3, rax\n call sensitive\n ret\n")
        self.found("root: call inner\n ret\ninner: mov cr3, rax\n ret\n", "loads a map, and no table says which")

    def test_excuses(self):
        text = "root: call inner\n ret\ninner: call sensitive\n ret\n"
        self.clean(text, excuses={("inner", "sensitive")})
        self.found(text, "sensitive", excuses={("root", "sensitive")})
        self.assertEqual(self.maps(text, excuses={("inner", "sensitive"), ("root", "harmless")}).excused, {("inner", "sensitive")})
        self.clean(text, excuses={("by_inlining", "sensitive")}, sources=lambda address: ["by_inlining", "inner"])


if __name__ == "__main__":
    unittest.main()
