# SPDX-License-Identifier: MIT
"""What the machine code does not say of who calls whom."""

import os

from disassembly import addresses_taken

# What a VM exit may enter (the VMCS's host RIP).
EXITS = ("vmx_exit_entry", "vmx_exit_entry_rsb", "vmx_exit_entry_bhb", "vmx_exit_entry_hardened", "vmx_exit_entry_stunned")
# An exception's or interrupt's entry: a stub of this many bytes by vector (hv/cpu/exception.asm).
STUBS, STUB = 256, 16
INTERRUPT, NMI, DOUBLE_FAULT, PAGE_FAULT, MACHINE_CHECK = 32, 2, 8, 14, 18
# Which functions an indirect call may reach, by the function that makes it. Whatever has its address taken is in here, or
# in check-stack's ELSEWHERE.
INDIRECT = {
    "acpi_read": ["reach"],
    "acpi_table_at": ["reach"],
    "cpu_switch_stack": ["after_leave", "release_boot", "run", "start_idle", "stay_unused"],
    "free_level": ["vm_breathe"],
    "space_window_destroy": ["vm_breathe"],
    "long_mode": ["long_mode.high"],
    "violation": ["print_violation"],
    "visit_level": ["check_full_leaf", "check_guest_leaf", "check_leaf", "check_table", "free_private"],
}
# The same where they stand in constant tables: all that those of a source hold.
IN_TABLES = {"apply": "hv/config/keys.c"}
# How often at once: page tables have four levels; the way to full ends in a report of its own, which is on that way once
# more, but no further (lock_for()); the branch history's loop has twelve rounds.
RECURSION = {"asi_exit": 2, "bhb_clear.inner": 12, "free_level": 4, "visit_level": 4}
SWITCHES = {"cpu_switch_stack", "hv_entry", "long_mode.high", "mc_common", "vmx_begin"}


def indirect(elf):
    """INDIRECT, and IN_TABLES as the objects have it that @elf was made of."""
    objects = os.path.join(os.path.dirname(elf), "obj")
    held = {caller: sorted(addresses_taken(os.path.join(objects, source + ".o"), by=".rodata")) for caller, source in IN_TABLES.items()}
    return dict(INDIRECT, **held)
