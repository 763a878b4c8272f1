# SPDX-License-Identifier: MIT
"""The same tests on machines that QEMU plays on KVM, in the emulator: a second VMX, other firmware, other hardware.

An outer system (tools/nestedlib.py) is started once for each worker of the suite and stands still between its tests."""

import atexit
import os
import threading

from . import cases_boot, cases_guests, cases_linux
from .harness import BUILD, Failure, build, config, flat, guest_file, need, emulib
import nestedlib
import qemu

RELEASE = os.environ.get("OUTER") or "bookworm"
# What of a test's options is the machine's business, or only Bochs's.
IGNORED = ("keep", "firmware", "quantum", "steady")
KNOWN = ("smp", "mem", "script", "timeout", "disk")


class Outers:
    """The workers' outer systems. An emulator dies with the thread that started it, so none is passed on."""

    def __init__(self):
        self.mine, self.lock, self.all = threading.local(), threading.Lock(), []
        atexit.register(self.close)

    def get(self):
        outer = getattr(self.mine, "outer", None)
        if not outer or outer.process.poll() is not None:
            with self.lock:
                if not build(["image"]):
                    raise Failure("make image failed")
            outer = self.mine.outer = nestedlib.Outer(RELEASE, os.path.join(BUILD, "cloister.img"))
            self.all.append(outer)
        return outer

    def close(self):
        for outer in self.all:
            outer.close()


OUTERS = Outers()


def launcher(context, name):
    """What stands in for emulib.run(): the machine of that name, with the test's own topology if it asks for one."""
    def launch(esp, **options):
        unknown = [key for key in options if key not in IGNORED + KNOWN]
        if unknown:
            raise Failure("no nested machine has the options %s" % unknown)
        machine = qemu.Machine.parse(name, mem=options.get("mem", 1024))
        machine.smp = options.get("smp", machine.smp)
        outer = OUTERS.get()
        try:
            result = outer.run(None if options.get("disk") else esp, machine, options.get("script"), options["timeout"])
        finally:
            if outer.process.poll() is None:
                outer.rest()
        context.note("%s: QEMU's exit status is %d" % (machine, result.code))
        return result
    return launch


def nested(test, machine):
    """Test function @test on @machine. Its escalations are not compared: another CPU is seen there, with other flushes."""
    def run(context):
        context.launch = launcher(context, machine)
        return getattr(test, "unrecorded", test)(context)
    return run
