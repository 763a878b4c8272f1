# SPDX-License-Identifier: MIT
"""What needs no emulator, or another build: unit tests, layers, reproducibility, and builds that must be caught."""

import filecmp
import glob
import os
import re
import shutil
import subprocess
import sys

from .harness import BUILD, ROOT, Failure, build, config, emulib, flat, guest_file, need


def unit(path):
    def test(context):
        status, text = context.command([path])
        need(status == 0, "status %d" % status)
        need("FAIL" not in text and "\nok " in "\n" + text, "no test of it passed")
    return test


def names():
    return sorted(os.path.basename(p)[len("test_"):-len(".c")]
                  for p in glob.glob(os.path.join(ROOT, "guest-tests/unit/test_*.c")))


def check_layers(context, build):
    return context.command([os.path.join(ROOT, "tools/check-layers"), "--build", build], cwd=ROOT)


def layers(context):
    """Each room uses those below it only."""
    status, text = check_layers(context, BUILD)
    need(status == 0, text.strip()[-300:])


def layers_caught(context):
    """A call upwards is noticed in the objects, one by contract is none."""
    folder = os.path.join(context.dir, "build")
    shutil.copytree(os.path.join(BUILD, "obj"), os.path.join(folder, "obj"), ignore=shutil.ignore_patterns("efi", "*.d", "guest-tests"))
    source, low = os.path.join(context.dir, "low.c"), os.path.join(folder, "obj/hv/base/string.c.o")

    def judged(callee):
        with open(source, "w") as f:
            f.write("void %s(void);\nvoid culprit(void);\nvoid culprit(void) { %s(); }\n" % (callee, callee))
        need(context.command(["gcc", "-ffreestanding", "-c", source, "-o", low])[0] == 0, "it does not compile")
        return check_layers(context, folder)

    need(judged("cpu_loop")[0] == 0, "it complains about a contract")
    for callee, home in (("sched_add", "hv/sched/sched.c"), ("config_parse", "hv/config/config.c")):
        status, text = judged(callee)
        need(status == 1 and "hv/base/string.c needs %s of %s" % (callee, home) in text, "it misses %s" % callee)


def size(context):
    """No more has to be trusted once guests run than what is promised."""
    status, text = context.command([os.path.join(ROOT, "tools/check-size"), os.path.join(BUILD, "cloister.elf")], cwd=ROOT)
    need(status == 0, text.strip().splitlines()[-1])


def emulator(context):
    """The self-check knows each defect that is mended, found none here, and its word is asked for where results count."""
    status, text = context.command([os.path.join(ROOT, "tools/bochs-correct"), "--list"])
    names = [line.split(":")[0] for line in text.splitlines()]
    need(status == 0 and len(names) > 5, "the corrections are not listed")
    with open(os.path.join(ROOT, "guest-tests/selfcheck/defects.asm")) as asm, open(os.path.join(ROOT, "tools/setup")) as setup:
        checks = asm.read() + setup.read()
    for name in names:
        need('"%s"' % name in checks or "defect: %s\"" % name in checks, "nothing looks for the defect %s" % name)
    good = emulib.Bochs()
    need(not good.defects(), "this one has defects: %s" % good.defects())
    unknown = os.path.join(context.dir, "bochs")
    shutil.copy(good.command[-1], unknown)
    for tool in ("run", "bench"):
        status, text = context.command([os.path.join(ROOT, "guest-tests", tool)], env=dict(os.environ, BOCHS=unknown))
        need(status == 1 and len(text.splitlines()) == 1 and "not checked" in text, "%s takes an emulator that nobody checked" % tool)


def check_branches(context, *arguments):
    return context.command([os.path.join(ROOT, "tools/check-branches")] + list(arguments), cwd=ROOT)


def branches(context):
    """No indirect branch can follow a VM exit."""
    status, _ = check_branches(context, os.path.join(BUILD, "cloister.elf"))
    need(status == 0, "the exit path has an indirect branch")


# By call, by jump, by falling through: each root reaches one indirect branch, `clean` none.
BRANCHES = """
	bits 64
	section .text
	global clean, by_call, by_jump, by_fall, deep, table, returns, never
clean:	call returns
	jmp clean
by_call: call deep
	ret
by_jump: test eax, eax
	jnz table
	ret
by_fall: call returns
deep:	call rax
	ret
table:	jmp [rax + 8]
never:	call rdx
returns: ret
"""


def stacks(context):
    """No stack can overflow, and what asi_enter() zeroes is all that may have been used."""
    status, text = context.command([os.path.join(ROOT, "tools/check-stack"), os.path.join(BUILD, "cloister.elf")], cwd=ROOT)
    need(status == 0, "status %d: %s" % (status, text.strip()[-300:]))


def stacks_caught(context):
    """What proves that notices all that it is there for."""
    status, text = context.command([sys.executable, os.path.join(ROOT, "guest-tests/suite/stack_selftest.py")])
    need(status == 0 and "\nOK" in text, "made-up code is not judged as it should be")


def check_maps(context, *arguments):
    return context.command([os.path.join(ROOT, "tools/check-maps"), os.path.join(BUILD, "cloister.elf")] + list(arguments), cwd=ROOT)


def maps(context):
    """Nothing that may run in restricted calls what needs full, or touches a sensitive variable."""
    status, text = check_maps(context)
    need(status == 0, "status %d: %s" % (status, text.strip()[-300:]))


def maps_caught(context):
    """What proves that notices each way, on made-up code; and words that lie, in the image itself."""
    status, text = context.command([sys.executable, os.path.join(ROOT, "guest-tests/suite/maps_selftest.py")])
    need(status == 0 and "\nOK" in text, "made-up code is not judged as it should be")
    for lie, expected in (("vm_ram=FULL", "calls vm_ram(), which is FULL, in restricted"),
                          ("frames_alloc=ANY", "touches lock in restricted; reached by frames_alloc"), ("asi_exit=RESTRICTED", "in full"),
                          ("mitigation_request=ANY", "in restricted; reached by mitigation_request"), ("vm_lock=", "vm_lock() has no word"),
                          ("stun_wait=ANY", "vmx_wait_at_gate() and stun_wait are excused in vain")):
        status, text = check_maps(context, "--say", lie)
        need(status == 1 and expected in text, "%s is not noticed" % lie)


def check_boot(context, *arguments):
    return context.command([os.path.join(ROOT, "tools/check-boot")] + list(arguments), cwd=ROOT)


def boot_only(context):
    """Nothing that runs once guests do needs what is freed before."""
    status, text = check_boot(context, os.path.join(BUILD, "cloister.elf"))
    need(status == 0, "status %d: %s" % (status, text.strip()[-300:]))


# Linked as the hypervisor is. `clean` and what it reaches need nothing of the boot's; each other root has one mistake.
BOOT_ONLY = """
	bits 64
	section .boot.text progbits alloc exec nowrite align=16
	global hv_entry, boot_function
	times 16 nop
hv_entry: call clean
	ret
boot_function: ret
	section .rodata
	global constant
constant: dq %(constant)s
	section .data
	global variable
	db 0
variable: dq %(variable)s
	section .text
	global clean, culprit, below
clean:	lea rax, [rel constant]
	mov rcx, variable
	call below
	ret
culprit: test eax, eax
	%(code)s
	ret
below:	ret
"""
# What names the boot, and what is to be said of it.
NAMES_BOOT = {
    "code": ["call boot_function", "jnz boot_function", "jmp boot_function", "lea rax, [rel boot_function]", "mov rax, boot_function",
             "mov rax, [boot_function]", "mov eax, [rcx * 8 + boot_function]", "cmp qword [rsp], boot_function",
             "push boot_function"],
    "constant": ["boot_function"], "variable": ["boot_function", "hv_entry + 1"],
}


def boot_only_caught(context):
    """check-boot sees what it is there for, on an image that has it."""
    def planted(**what):
        source, target = (os.path.join(context.dir, "planted." + end) for end in ("asm", "o"))
        with open(source, "w") as f:
            f.write(BOOT_ONLY % dict({"code": "nop", "constant": "0", "variable": "clean"}, **what))
        elf = os.path.join(context.dir, "planted.elf")
        made = context.command(["nasm", "-f", "elf64", source, "-o", target])[0] == 0 and context.command(
            ["ld", "-nostdlib", "-static", "-z", "max-page-size=0x1000", "-T", os.path.join(ROOT, "linker.ld"), target, "-o", elf])[0] == 0
        need(made, "it cannot be made with %s" % what)
        return elf

    def judged(elf, root):
        status, text = check_boot(context, elf, root)
        need("boot_data is empty" in text and "boot_text is empty" not in text, "an empty part is not noticed, or a full one is")
        return status, [line for line in text.splitlines() if "is empty" not in line]

    status, lines = judged(planted(), "clean")
    need(len(lines) == 1 and "culprit" not in lines[0], "it complains without a reason: %s" % lines)
    for place, texts in NAMES_BOOT.items():
        for text in texts:
            status, lines = judged(planted(**{place: text}), "clean")
            culprit = "culprit" if place == "code" else place
            need(status == 1 and any("check-boot: " + culprit in line and ("boot_function+" in line or "hv_entry+" in line)
                                     for line in lines), "it misses %s in %s: %s" % (text, place, lines))
    status, lines = judged(planted(), "hv_entry")
    need(status == 1 and "check-boot: hv_entry is the boot's, and can run once guests do" in lines, "it misses what is reached")
    need(judged(planted(), "nowhere")[0] == 1, "a root that does not exist is not noticed")


def branches_caught(context):
    """check-branches sees what it is there for, on an object that has it."""
    source, target = os.path.join(context.dir, "branches.asm"), os.path.join(context.dir, "branches.o")
    with open(source, "w") as f:
        f.write(BRANCHES)
    need(context.command(["nasm", "-f", "elf64", source, "-o", target])[0] == 0, "it does not assemble")
    need(check_branches(context, target, "clean")[0] == 0, "it complains about a root that reaches none")
    for root, culprit in (("by_call", "deep"), ("by_jump", "table"), ("by_fall", "deep")):
        status, text = check_branches(context, target, root)
        need(status == 1 and "check-branches: %s: indirect branch" % culprit in text, "it misses %s" % root)
        need("never:" not in text, "it blames what %s does not reach" % root)
    need(check_branches(context, target, "nowhere")[0] == 1, "a root that does not exist is not noticed")


def variant(context, name, *flags):
    """Another build of the hypervisor beside the real one."""
    folder = os.path.join(BUILD, "test", context.name, "build")
    if not build(["hypervisor"], folder, flags):
        raise Failure("the build %s fails" % name)
    return folder


def reproducible(context):
    """The same sources in another folder give the same bytes."""
    copy = os.path.join(context.dir, "copy")
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE,
                           text=True, check=True).stdout.splitlines()
    for name in filter(lambda n: os.path.isfile(os.path.join(ROOT, n)), names):
        os.makedirs(os.path.dirname(os.path.join(copy, name)), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), os.path.join(copy, name))
    # The machine is set up already.
    os.makedirs(os.path.join(copy, "build"))
    with open(os.path.join(copy, "build/setup.stamp"), "w"):
        pass
    status, _ = context.command(["make", "-C", copy, "hypervisor"])
    need(status == 0, "the copy does not build")
    if not build(["hypervisor"]):
        raise Failure("the build fails")
    for name in ("cloister.elf", "BOOTX64.EFI"):
        need(filecmp.cmp(os.path.join(BUILD, name), os.path.join(copy, "build", name), False), "%s differs" % name)
    shutil.rmtree(copy)


def boot_audit_complains(run):
    """The audit that every boot makes sees the defect before any guest runs."""
    audit = run.one("audit", when="boot")
    need(audit["violations"] > 0 and audit["sensitive_bytes"] > 0, "the boot audit says %s" % audit)
    found = [r for r in run.of_type("audit") if "violation" in r]
    need(found and all("sensitive data of the image" in r["violation"] for r in found), "violations: %s" % found[:3])
    run.expect_errors("the address spaces are not as they should be")


def debug_audit(context):
    """A build that audits after every change of a mapping: it does so, and finds nothing."""
    folder = variant(context, "DEBUG_AUDIT", "EXTRA_CFLAGS=-DDEBUG_AUDIT")
    vms = {name: flat("audit", "poweroff", memory_mode="lazy") for name in "ab"}
    run = context.boot(config(vms, mitigation="asi"), guest_file("audit"), smp="1:2:1", build=folder)
    run.expect_audits(2)
    for name in vms:
        run.expect_guest("audit", name)
    # Twelve are asked for, and before each of them memory came in by touch; CPUs, VMs and windows are changes too.
    runs = max(r["runs"] for r in run.of_type("audit") if "runs" in r)
    need(runs > 25, "only %d audits" % runs)
    run.expect_end(0)


def debug_audit_caught(context):
    """The same build with a defect that every map shows: the first change of one ends the run, before any guest."""
    folder = variant(context, "DEBUG_AUDIT map_sensitive", "BREAK=map_sensitive", "EXTRA_CFLAGS=-DDEBUG_AUDIT")
    run = context.boot(config({"t": flat("audit")}), guest_file("audit"), build=folder, panic=True)
    need(run.status == 1, "the run is called a success")
    panicked = run.of_type("panic")
    need(len(panicked) == 1, "%d panic records" % len(panicked))
    need(re.search(r"the maps have [1-9]\d* violations after a change", panicked[0]["what"]), "it panics by something else")
    need(not run.of_type("vm", state="running"), "a guest ran before")


def threads(name):
    """The program under ThreadSanitizer finds nothing; the same without locks does: so it would."""
    def test(context):
        program = os.path.join(BUILD, "threads", name)
        status, text = context.command([program], timeout=300)
        need(status == 0 and "data race" not in text, "status %d" % status)
        # At the first race: behind it a list may lead nowhere, or round and round.
        status, text = context.command([program + "-unlocked"], env={"TSAN_OPTIONS": "halt_on_error=1"}, timeout=60)
        need("data race" in text, "without locks nothing is found")
    return test


# Who takes no lock, and what is done with the data then; all of it is done by the two VMs below.
UNLOCKED = {"mm/frames.c": "(&lock)", "hv/vm/vm.c": "(&vm->lock)", "hv/vm/memory.c": "(&record->lock)", "hv/sched/sched.c": "(&lock)",
            "hv/net/netswitch.c": "lock)"}


def boot_sharing(context, folder, **more):
    """Two VMs on a shared machine, that send each other frames."""
    vms = {name: flat("net", words + " count=1000 window=256 poweroff", memory_mode="lazy", vcpus=2, cpus="share",
                       net="lan0,mac=52:54:00:00:00:0%d" % (1 + number)) for number, (name, words) in
            enumerate((("one", "send"), ("two", "receive")))}
    return context.boot(config(vms), guest_file("net"), build=folder, timeout=60, **more)


def lock_order_caught(context):
    """A build that holds each CPU to the order of locks ends at the first one that is taken out of it, and names both."""
    folder = variant(context, "DEBUG_LOCKS lock_order", "BREAK=lock_order", "EXTRA_CFLAGS=-DDEBUG_LOCKS")
    run = boot_sharing(context, folder, panic=True)
    panicked = run.of_type("panic")
    need(len(panicked) == 1, "%d panic records" % len(panicked))
    need(panicked[0]["what"] == "lock order: the lock of the scheduler is taken by who holds that of a VM's record",
         "it panics by something else: %s" % panicked[0])
    need(panicked[0]["site"].startswith("lock_order_take+"), "the site is %s" % panicked[0]["site"])


def debug_locks(context):
    """A build that asserts each lock where its data are used, and their order: two VMs on a shared machine do not meet one that
    is not held or out of order, and do at once when the files' locks are taken away."""
    folder = variant(context, "DEBUG_LOCKS", "EXTRA_CFLAGS=-DDEBUG_LOCKS")

    def boot(**more):
        return boot_sharing(context, folder, **more)

    run = boot()
    for name in ("one", "two"):
        run.expect_guest("net", name)
    run.expect_end(0)
    for name, lock in UNLOCKED.items():
        if not build(["hypervisor"], folder, ["EXTRA_CFLAGS=-DDEBUG_LOCKS", "UNLOCKED=" + name]):
            raise Failure("the build without the locks of %s fails" % name)
        panicked = boot(panic=True).of_type("panic")
        need(len(panicked) == 1, "without the locks of %s: %d panic records" % (name, len(panicked)))
        need("assertion failed" in panicked[0]["what"] and "lock" in panicked[0]["what"],
             "without the locks of %s it panics by something else: %s" % (name, panicked[0]))
        os.unlink(os.path.join(folder, "obj", name + ".o"))


def caught(defect, expected, also=None):
    """The hypervisor with a deliberate defect: the guest `sensitive` must fail, by the check that is meant for it."""
    def test(context):
        folder = variant(context, defect, "BREAK=" + defect)
        run = context.boot(config({"t": flat("sensitive")}), guest_file("sensitive"), build=folder)
        failed = run.failures_of()
        need(failed, "the suite does not notice the defect")
        need(any(expected in line for line in failed), "it fails by something else: %s" % failed)
        need(run.status == 1, "the run is called a success")
        if also:
            also(run)
    return test


def silent_sibling(context):
    """A sibling that never acknowledges: the core runs no guest again, and says so; the other core goes on, and the run
    ends when nobody is left that can go on."""
    folder = variant(context, "deaf", "BREAK=deaf")
    vms = {"bad": flat("stun", vcpus=2, cpus="0-1"), "good": flat("calm", "poweroff", cpus="2")}
    run = context.boot(config(vms, mitigation="asi+stun"), dict(guest_file("stun"), **guest_file("calm")),
                       smp="1:2:2", build=folder)
    closed = run.one("stun")
    need(closed["cpu"] == 0 and closed["silent"] == 1, "the record says %s" % closed)
    need("ok a busy sibling" not in run.text, "the hypervisor went on without the acknowledgement")
    run.expect_errors("CPU 1 does not answer CPU 0's stun")
    run.expect_guest("calm", "good")
    run.expect_vm("good", "poweroff")
    run.expect_end(1)


def panics(context):
    """A bug of the hypervisor's own ends in a report that names the place, with registers and a symbolised stack."""
    folder = variant(context, "wild_pointer", "BREAK=wild_pointer")
    run = context.boot(config({"t": flat("vmcall")}), guest_file("vmcall"), build=folder, panic=True)
    need(run.status == 1, "the run is called a success")
    records = run.of_type("panic")
    need(len(records) == 1, "%d panic records" % len(records))
    need(records[0]["site"].startswith("stats_reset+"), "the site is %s" % records[0]["site"])
    text = "\n".join(run.lines())
    need("exception 14" in text and "CR2 0xdead000" in text, "the exception is not described")
    need("cloister:   rax " in text, "the registers are missing")
    for caller in ("exit_vmcall+", "vmx_exit+", "vmx_exit_entry+"):
        need("] " + caller in text, "the stack does not show " + caller)


def panics_together(context):
    """Two CPUs run into the same bug at once: one reports it, from its first line to the end of the run, the other one is silent."""
    folder = variant(context, "wild_pointer", "BREAK=wild_pointer")
    for smp, seed in (("1:2:1", 1), ("1:1:2", 2)):
        run = context.boot(config({"t": flat("together", vcpus=2)}, mitigation="asi+stun"), guest_file("together"), build=folder, panic=True,
                           smp=smp, seed=seed)
        need(run.status == 1, "the run is called a success")
        need(len(run.of_type("panic")) == 1, "%d panic records" % len(run.of_type("panic")))
        for what in ("cloister: panic: ", "cloister:   rax ", "] exit_vmcall+"):
            need(run.text.count(what) == 1, "%r is there %d times" % (what, run.text.count(what)))


def register(suite):
    for name in names():
        suite.add("unit-" + name, unit(os.path.join(BUILD, "unit", name)), 1)
    for name in sorted(n[:-2] for n in os.listdir(os.path.join(ROOT, "guest-tests/threads"))):
        suite.add("threads-" + name, threads(name), 5)
    suite.add("build-emulator", emulator)
    suite.add("build-layers", layers, 1)
    suite.add("caught-layers", layers_caught, 2)
    suite.add("build-size", size, 2)
    suite.add("build-branches", branches, 1)
    suite.add("caught-indirect-branch", branches_caught, 1)
    suite.add("build-maps", maps, 3)
    suite.add("caught-maps", maps_caught, 20)
    suite.add("build-stacks", stacks, 1)
    suite.add("caught-stacks", stacks_caught, 2)
    suite.add("build-boot", boot_only, 2)
    suite.add("caught-boot-needed", boot_only_caught, 3)
    suite.add("build-reproducible", reproducible, 20)
    suite.add("caught-sensitive-mapped", caught("map_sensitive", "touching it is one escalation",
                                                    boot_audit_complains), 15)
    suite.add("audit-after-every-change", debug_audit, 25)
    suite.add("audit-after-every-change-caught", debug_audit_caught, 15)
    suite.add("locks-are-held", debug_locks, 60)
    suite.add("locks-out-of-order-caught", lock_order_caught, 20)
    suite.add("caught-flush-skipped", caught("skip_flush", "the L1D is flushed once"), 15)
    suite.add("stun-silent-sibling", silent_sibling, 20)
    suite.add("panic-report", panics, 15)
    suite.add("panic-report-together", panics_together, 10)
