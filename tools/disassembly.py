# SPDX-License-Identifier: MIT
"""The machine code of an ELF file, as objdump shows it: for the tools that prove something of it."""

import bisect
import re
import subprocess

SYMBOL = re.compile(r"([0-9a-f]+) <(.*)>:$")
INSTRUCTION = re.compile(r" *([0-9a-f]+):\t(.*)$")
PREFIXES = re.compile(r"^((bnd|notrack|cs|ds|lock|rep\w*|data16|rex\S*) )+")
TARGET = re.compile(r"([0-9a-f]+)( |$)")
SECTION = re.compile(r"^ +\[ *(\d+)\] (\S+) +\S+ +[0-9a-f]+ ([0-9a-f]+)")
RELOCATION = re.compile(r"^([0-9a-f]{16}) +[0-9a-f]+ (R_X86_64_\w+) +[0-9a-f]+ (\S+)(?: ([+-]) ([0-9a-f]+))?$")
SUFFIX = re.compile(r"\.(isra|constprop|part|cold|\d+)\b.*")
BESIDE_THE_POINT = (".debug", ".eh_frame")
CALLS, JUMPS = ("call", "lcall"), ("j", "ljmp", "loop", "xbegin")


def instructions(elf):
    """(address, mnemonic, operands) and the symbols as (address, name), both in order."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", elf], stdout=subprocess.PIPE, text=True, check=True).stdout
    code, symbols = [], []
    for line in text.splitlines():
        symbol = SYMBOL.match(line)
        if symbol:
            symbols.append((int(symbol.group(1), 16), symbol.group(2)))
            continue
        parts = INSTRUCTION.match(line)
        if parts:
            words = PREFIXES.sub("", parts.group(2)).split(None, 1)
            if words:
                code.append((int(parts.group(1), 16), words[0], words[1] if len(words) > 1 else ""))
    return code, symbols


def target_of(operands):
    """Where a direct call or jump goes; None: it is an indirect one."""
    found = TARGET.match(operands)
    return int(found.group(1), 16) if found else None


def plain(name):
    """As the source calls it."""
    return SUFFIX.sub("", name)


class Image:
    """Instructions by address, and the functions in which they lie."""

    def __init__(self, elf):
        code, symbols = instructions(elf)
        self.code = {address: (mnemonic, operands) for address, mnemonic, operands in code}
        self.order = [address for address, _, _ in code]
        self.following = dict(zip(self.order, self.order[1:]))
        self.starts = [address for address, _ in symbols]
        self.names = [name for _, name in symbols]
        self.name_at = dict(symbols)
        self.addresses = {}
        for address, name in symbols:
            if not name.endswith(".cold"):
                self.addresses.setdefault(plain(name), []).append(address)
        self.functions = self._functions(elf)

    @staticmethod
    def _functions(elf):
        """Addresses of what a compiler calls a function; labels of assembly are none."""
        text = subprocess.run(["readelf", "-sW", elf], stdout=subprocess.PIPE, text=True, check=True).stdout
        rows = (line.split() for line in text.splitlines())
        return {int(row[1], 16) for row in rows if len(row) > 7 and row[3] == "FUNC" and not row[7].endswith(".cold")}

    def owner(self, address):
        """The symbol at or before @address, whatever that is."""
        return self.names[bisect.bisect_right(self.starts, address) - 1]


def addresses_taken(path, by=""):
    """Names of the code whose address an object file uses other than by direct calls and jumps, as the relocations of its
    sections say whose names begin with @by."""
    text = subprocess.run(["readelf", "-SsrW", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    with open(path, "rb") as f:
        data = f.read()
    sections, code, used, within = {}, {}, [], None
    for line in text.splitlines():
        section, relocation, row = SECTION.match(line), RELOCATION.match(line), line.split()
        if section:
            sections[section.group(2)] = int(section.group(1)), int(section.group(3), 16)
        elif line.startswith("Relocation section"):
            within = line.split("'")[1].replace(".rela", "", 1)
        elif relocation:
            if within.startswith(by) and not within.startswith(BESIDE_THE_POINT):
                used.append((within, int(relocation.group(1), 16), relocation.group(2), relocation.group(3),
                             int((relocation.group(4) or "") + (relocation.group(5) or "0"), 16)))
        elif len(row) == 8 and row[3] in ("FUNC", "NOTYPE") and row[6].isdigit():
            code.setdefault((int(row[6]), int(row[1], 16)), []).append(row[7])
    names = set()
    for within, at, kind, symbol, addend in used:
        offset = sections[within][1] + at
        if "PC32" in kind or "PLT32" in kind:
            addend += 4
            if data[offset - 1] in (0xe8, 0xe9) or (data[offset - 2] == 0x0f and data[offset - 1] >> 4 == 8):
                continue
        names |= {plain(name) for name in (code.get((sections[symbol][0], addend), ()) if symbol in sections else [symbol])}
    return names
