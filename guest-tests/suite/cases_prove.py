# SPDX-License-Identifier: MIT
"""Frama-C's proofs, those that are quick, and whether they would notice a bound that is not checked."""

import os
import shutil
import subprocess

from .harness import ROOT, need

CHECK = os.path.join(ROOT, "guest-tests/prove/check")

# What is taken away: file, text, what is there instead, the driver that has to notice.
PLANTED = {
    "decode-count": ("vmx/decode.c", "if (c->at >= c->count) {", "if (c->at > c->count) {", "decode"),
    "command-words": ("hv/monitor/commands.c", "else if (begins && count < MAX_WORDS)", "else if (begins)", "commands"),
    "range-room": ("boot/ranges.c", "if (bi->range_count >= BOOT_MAX_RANGES)\n\t\t\t\treturn false;\n", "", "ranges"),
    "uart-room": ("drivers/guest/legacy/uart.c", "u->head = (u->head + 1) % VUART_WAITING;", "u->head = u->head + 1;", "uart"),
}


def check(context, *arguments):
    return context.command([CHECK, "--build", context.dir] + list(arguments), cwd=ROOT)


def prove(name):
    def test(context):
        status, _ = check(context, name)
        need(status == 0, "it is not proved, or less is reached than should be")
    return test


def catches(path, text, other, driver):
    """Without that check the driver has an alarm in that file, and fails for no other reason."""
    def test(context):
        tree = os.path.join(context.dir, "tree")
        names = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.h", "*.c"],
                               stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        for name in (n for n in names if os.path.isfile(os.path.join(ROOT, n))):
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), os.path.join(tree, name))
        with open(os.path.join(tree, path)) as f:
            source = f.read()
        need(source.count(text) == 1, "%s is not once in %s: plant something else" % (text, path))
        with open(os.path.join(tree, path), "w") as f:
            f.write(source.replace(text, other))
        status, output = check(context, "--root", tree, driver)
        wrong = [line for line in output.splitlines() if line.startswith("       ")]
        need(status == 1 and any(path + ":" in line for line in wrong), "the fault is not noticed")
        need("Frama-C's status" not in output, "it fails by something else")
    return test


def register(suite):
    done = subprocess.run([CHECK, "--quick", "--list"], stdout=subprocess.PIPE, text=True, check=True)
    for name in done.stdout.split():
        suite.add("prove-" + name, prove(name), 5)
    for name, planted in PLANTED.items():
        suite.add("prove-catches-" + name, catches(*planted), 10)
