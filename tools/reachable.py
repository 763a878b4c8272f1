# SPDX-License-Identifier: MIT
"""What of the hypervisor's machine code can be executed once guests run: for the tools that count it, or prove something of it."""

import stackdepth
from calls import EXITS, INDIRECT, RECURSION, STUB, STUBS, SWITCHES

# VM exits and the way in, the CPU's loop, and what the processor enters by itself.
ROOTS = [*EXITS, "vmx_begin", "cpu_loop", "exception_stubs"]
# The boot's: they leave a stack for another one, too.
BEFORE = {"release_boot", "run", "start_idle", "stay_unused"}


def reached(image, roots=ROOTS):
    """Addresses of all instructions that are reachable from @roots."""
    indirect = dict(INDIRECT, cpu_switch_stack=[name for name in INDIRECT["cpu_switch_stack"] if name not in BEFORE])
    code = stackdepth.Code(image, stackdepth.Tables(indirect=indirect, recursion=RECURSION, switches=SWITCHES))
    todo = [image.addresses[name][0] for name in roots]
    if "exception_stubs" in roots:
        todo += [image.addresses["exception_stubs"][0] + STUB * number for number in range(STUBS)]
    seen, found = set(), set()
    while todo:
        entry = todo.pop()
        if entry in seen:
            continue
        seen.add(entry)
        flow = code.flow(entry)
        found |= flow.depth.keys()
        todo += [target for _, _, target in flow.calls]
        # Behind a switch of stacks the same function goes on.
        todo += [image.following[at] for at in flow.ends if flow.switched and
                 stackdepth.takes_stack(image, at) and at in image.following]
    return found
