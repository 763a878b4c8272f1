# SPDX-License-Identifier: MIT
"""Runs tests side by side, each in its own folder, and reports them; what tests need to boot and to judge."""

import contextlib
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import emulib  # noqa: E402

BUILD = emulib.build_dir()
TAIL_LINES = 25
HYPERVISOR = {"console": "com1", "mitigation": "asi", "debug-hypercalls": "on"}


class Failure(Exception):
    """What was expected and what came instead."""


class Skip(Exception):
    """Why a test cannot be run here."""


class Test:
    def __init__(self, name, function, cost, wide):
        self.name, self.function, self.cost, self.wide = name, function, cost, wide


class Context:
    """What a running test has: a folder, a log, and the ways to boot."""

    def __init__(self, name, turn=0):
        self.name = name
        self.dir = os.path.join(BUILD, "test", name + ("-%d" % turn if turn else ""))
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.log = open(os.path.join(self.dir, "log.txt"), "w", errors="replace")
        self.boots = 0
        self.remark = ""  # worth saying of a test that passed
        self.launch = emulib.run  # cases_nested.py has another

    def note(self, text):
        self.log.write(text.rstrip("\n") + "\n")
        self.log.flush()

    def command(self, command, timeout=900, **kwargs):
        """Runs a program; its output goes to the log and is returned with the status."""
        self.note("$ " + " ".join(command))
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                                  stdin=subprocess.DEVNULL, **kwargs)
        except subprocess.TimeoutExpired as late:
            self.note((late.stdout or b"").decode(errors="replace"))
            raise Failure("%s did not end within %d s" % (command[0], timeout))
        text = done.stdout.decode(errors="replace")
        self.note(text)
        return done.returncode, text

    def held_off(self, path):
        """For how many instructions a CPU took no interrupts at most, in a run with longest=@path; its line goes to the log."""
        with open(path) as f:
            lines = f.read().splitlines()
        need(lines, "nothing was measured")
        self.note(lines[-1])
        return int(lines[-1].split()[0])

    def boot(self, conf=None, files=None, panic=False, **options):
        """Boots with configuration text @conf (None: no such file) and @files {name: path or bytes}; a Run.

        @panic: the hypervisor is meant to panic; otherwise that is a failure whatever the test asks."""
        self.boots += 1
        work = os.path.join(self.dir, "boot%d" % self.boots)
        esp = os.path.join(work, "esp")
        os.makedirs(esp)
        if conf is not None:
            with open(os.path.join(esp, "cloister.conf"), "wb") as out:
                out.write(conf if isinstance(conf, bytes) else conf.encode())
        for name, source in (files or {}).items():
            target = os.path.join(esp, name)
            if isinstance(source, bytes):
                with open(target, "wb") as out:
                    out.write(source)
            elif not os.path.exists(source):
                raise Failure("%s is not there" % os.path.relpath(source, ROOT))
            else:
                shutil.copy(source, target)
        options.setdefault("timeout", 300)
        may_panic = options.pop("may_panic", False)
        try:
            result = self.launch(esp, keep=os.path.join(work, "emu"), **options)
        except emulib.CannotStart as error:
            raise Failure("the emulator could not start: %s" % error)
        self.note(result.serial)
        if result.log:
            self.note(result.log)
        shutil.rmtree(work, ignore_errors=True)
        if result.status == 124:
            raise Failure("the run did not end within %d s" % options["timeout"])
        return Run(result, panic)


class Run:
    """A run that ended, and what may be asked of it. Each expect_ raises Failure."""

    def __init__(self, result, panic=False):
        self.result, self.text, self.records, self.status = result, result.serial, result.records, result.status
        if self.of_type("panic") and not panic:
            raise Failure("the hypervisor panicked: %s" % self.of_type("panic")[0])
        if self.of_type("unparsable"):
            raise Failure("a record is not JSON: %s" % self.of_type("unparsable")[0]["line"])
        if "FIFO overflow" in result.log:
            raise Failure("more is written to a UART than its FIFO takes: %s" % result.log)

    def lines(self):
        return self.text.splitlines()

    def of_type(self, kind, **fields):
        return [r for r in self.records
                if r.get("type") == kind and all(r.get(k) == v for k, v in fields.items())]

    def one(self, kind, **fields):
        found = self.of_type(kind, **fields)
        if len(found) != 1:
            raise Failure("%d records %s %s, want one" % (len(found), kind, fields or ""))
        return found[0]

    def expect_end(self, status):
        end = self.one("end")
        if (end["status"], self.status) != (status, 0 if status == 0 else 1):
            raise Failure("the run ended with status %s (%s), want %s" % (end["status"], end["reason"], status))

    def expect_errors(self, *patterns):
        """Exactly these error lines, in this order, each said once for people and once as a record."""
        texts = [r["text"] for r in self.of_type("error")]
        for text in texts:
            if self.text.count("cloister: " + text) != 1:
                raise Failure("the line of the error record is not on the console once: %s" % text)
        if len(texts) != len(patterns):
            raise Failure("%d error lines, want %d: %s" % (len(texts), len(patterns), texts))
        for text, pattern in zip(texts, patterns):
            if not re.search(pattern, text):
                raise Failure("the error line %r does not say %r" % (text, pattern))

    def expect_audits(self, cpus):
        """All audits, the one at boot among them, cover @cpus CPUs and find nothing."""
        audits = self.of_type("audit")
        self.one("audit", when="boot")
        for audit in audits:
            if "violation" in audit:
                raise Failure("the audit found %s" % audit)
            if (audit["violations"], audit["sensitive_bytes"], audit["cpus"]) != (0, 0, cpus):
                raise Failure("want %d CPUs without a violation: %s" % (cpus, audit))
        return audits

    def expect_vm(self, name, state, reason=None):
        found = self.of_type("vm", vm=name, state=state)
        if not found:
            raise Failure("no vm record says that %s is %s" % (name, state))
        if reason and not re.search(reason, found[-1].get("reason", "")):
            raise Failure("%s is %s because %r, want %r" % (name, state, found[-1].get("reason"), reason))

    def guest_lines(self, vm=None):
        """What one guest wrote: its prefix is there only if it shares the console."""
        prefix = "[%s] " % vm
        lines = self.text.splitlines()
        if vm and any(line.startswith(prefix) for line in lines):
            return [line[len(prefix):] for line in lines if line.startswith(prefix)]
        return lines

    def failures_of(self, vm=None):
        return [line for line in self.guest_lines(vm) if line.startswith("FAIL")]

    def expect_guest(self, guest, vm=None):
        """The guest made its checks, all of them passed."""
        failed = self.failures_of(vm)
        if failed:
            raise Failure("%d checks failed: %s" % (len(failed), "; ".join(failed[:5])))
        done = [line for line in self.guest_lines(vm) if re.match(r"done %s: \d+ passed, 0 failed" % guest, line)]
        if len(done) != 1:
            raise Failure("the guest %s did not come to its end" % guest)

    def expect_all_well(self, vms, guest=None):
        """Each of @vms powered off, having passed the checks of @guest if that is given; no error, and a good end."""
        for vm in vms:
            if guest:
                self.expect_guest(guest, vm)
            self.expect_vm(vm, "poweroff")
        self.expect_errors()
        self.expect_end(0)


def need(condition, text):
    if not condition:
        raise Failure(text)


def config(vms, **hypervisor):
    """Configuration text: @vms {name: {key: value}}; "_" in the names of keys stands for "-"."""
    keys = dict(HYPERVISOR, **{k.replace("_", "-"): v for k, v in hypervisor.items()})
    lines = ["[hypervisor]"] + ["%s = %s" % item for item in keys.items()]
    for name, vm in vms.items():
        lines += ["", "[vm %s]" % name] + ["%s = %s" % (k.replace("_", "-"), v) for k, v in vm.items()]
    return "\n".join(lines) + "\n"


def flat(guest, words="", memory="32M", **more):
    """The section of a test guest, which ends the run when its test is over."""
    vm = {"kernel": guest + ".bin", "format": "flat", "memory": memory, "end_run": "on"}
    if words:
        vm["cmdline"] = words
    return dict(vm, **more)


def guest_file(guest):
    return {guest + ".bin": os.path.join(BUILD, "guests", guest + ".bin")}


def padded(guest, size):
    """The guest's image, made @size bytes longer."""
    with open(guest_file(guest)[guest + ".bin"], "rb") as f:
        return f.read() + bytes(size)


making = threading.Lock()


def build(targets, folder=None, flags=()):
    """make; its output is shown only if it fails. In the folder that tests share, one at a time."""
    command = ["make", "-C", ROOT, "-j2"] + list(flags) + list(targets)
    if folder:
        command.append("BUILD=" + folder)
    with contextlib.nullcontext() if folder else making:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode:
        print(done.stdout.decode(errors="replace")[-4000:])
        print("make %s failed" % " ".join(targets))
    return done.returncode == 0


class Suite:
    def __init__(self, verbose):
        self.tests, self.verbose, self.lock = [], verbose, threading.Lock()
        self.count, self.failed = {"ok": 0, "FAIL": 0, "skip": 0}, []

    def add(self, name, function, cost=3, wide=False):
        """@cost: rough seconds; long tests begin first, so that both workers end together. @wide: the suite has another one
        of the kind, and runs this one only where it is named or the wide ones are asked for."""
        self.tests.append(Test(name, function, cost, wide))

    def select(self, beginnings, wide):
        if beginnings:
            self.tests = [t for t in self.tests if any(t.name.startswith(b) for b in beginnings)]
        else:
            self.tests = [t for t in self.tests if t.wide == wide]

    def report(self, word, test, seconds, why, log):
        with self.lock:
            self.count[word] += 1
            print("%-4s %-44s %6.1f s%s" % (word, test.name, seconds, "  " + why if why else ""))
            if word == "FAIL":
                self.failed.append("%s: %s" % (test.name, why))
            if word == "FAIL" or self.verbose:
                with open(log, errors="replace") as f:
                    lines = f.read().splitlines()
                for line in lines if self.verbose else lines[-TAIL_LINES:]:
                    print("    | " + line)
            sys.stdout.flush()

    def run_one(self, test, turn):
        started, context, word, why = time.time(), Context(test.name, turn), "ok", ""
        try:
            test.function(context)
        except Skip as reason:
            word, why = "skip", str(reason)
        except Failure as reason:
            word, why = "FAIL", str(reason)
        except Exception as error:  # the test itself is broken: that is a failure too
            word, why = "FAIL", "%s: %s" % (type(error).__name__, error)
        if why:
            context.note("%s: %s" % (word, why))
        context.log.close()
        self.report(word, test, time.time() - started, why or context.remark, os.path.join(context.dir, "log.txt"))

    def run(self, jobs, times=1):
        """All tests, @times in a row; one status for everything."""
        waiting = queue.Queue()
        for turn in range(times):
            for test in sorted(self.tests, key=lambda t: -t.cost):
                waiting.put((test, turn))

        def work():
            while True:
                try:
                    self.run_one(*waiting.get_nowait())
                except queue.Empty:
                    return
        workers = [threading.Thread(target=work) for _ in range(jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self.count["skip"]:
            print("%d skipped, for the reasons above" % self.count["skip"])
        for line in self.failed:
            print("failed: " + line)
        print("%d passed, %d failed" % (self.count["ok"], self.count["FAIL"]))
        return 1 if self.count["FAIL"] else 0
