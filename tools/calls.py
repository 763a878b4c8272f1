# SPDX-License-Identifier: MIT
"""What the machine code does not say of who calls whom."""

# Which functions an indirect call may reach, by the function that makes it. Whatever has its address taken is in here, or
# in check-stack's ELSEWHERE.
INDIRECT = {
    "acpi_read": ["reach"],
    "acpi_table_at": ["reach"],
    "apply": ["config_set_net", "set_cmdline", "set_console", "set_cpus", "set_apicv", "set_debug_hypercalls", "set_disk",
              "set_ends_run", "set_exit_port", "set_format", "set_initrd", "set_kernel", "set_memory", "set_memory_mode",
              "set_memory_reserve", "set_mitigation", "set_modules", "set_paranoid", "set_sets_policy", "set_smt", "set_timer",
              "set_user_hypercalls", "set_vcpus", "set_vm_console"],
    "cpu_switch_stack": ["after_leave", "done", "left", "run", "start_idle"],
    "free_level": ["vm_breathe"],
    "loader_back": ["populate_for_loader", "vm_breathe"],
    "loader_clear": ["vm_breathe"],
    "loader_copy": ["vm_breathe"],
    "loader_environment": ["vm_breathe"],
    "loader_load": ["vm_breathe"],
    "place": ["vm_breathe"],
    "space_window_destroy": ["vm_breathe"],
    "long_mode": ["long_mode.high"],
    "violation": ["print_violation"],
    "visit_level": ["check_full_leaf", "check_guest_leaf", "check_leaf", "check_table", "free_private"],
}
# How often at once: page tables have four levels; the way to full ends in a report of its own, which is on that way once
# more, but no further (lock_for()); the branch history's loop has twelve rounds.
RECURSION = {"asi_exit": 2, "bhb_clear.inner": 12, "free_level": 4, "visit_level": 4}
SWITCHES = {"cpu_switch_stack", "hv_entry", "loading_begin", "loading_resume", "long_mode.high", "mc_common", "vmx_begin"}
