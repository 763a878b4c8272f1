# SPDX-License-Identifier: MIT
"""Boots Cloister in an emulator (Bochs, or QEMU's TCG) and follows its serial line: tools/emu and the tests use it."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import qemu
import recordlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# After the last record, what is still on its way; after a panic, the rest of its report.
GRACE_END, GRACE_PANIC = 0.2, 1.0
# Bytes come one by one, and to look at each would cost more than the emulator does.
GATHER = 0.01
# However this program ends, no emulator outlives it.
DIE_WITH_US = ["setpriv", "--pdeathsig", "KILL"]


class CannotStart(Exception):
    """The emulator or the disk could not be set up: exit status 2."""


class Result:
    """How a run went: exit status, serial text, records (parsed), seconds, and what the emulator's log complains of."""

    def __init__(self, status, serial, elapsed, log, boots=1):
        self.status, self.serial, self.elapsed, self.log = status, serial, elapsed, log
        self.records = recordlib.parse(serial, boots)

    def of_type(self, kind):
        return [r for r in self.records if r.get("type") == kind]

    def lines(self):
        return self.serial.splitlines()


def build_dir():
    return os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))


def run_quietly(command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    if done.returncode:
        raise CannotStart("%s failed:\n%s" % (command[0], done.stdout.decode(errors="replace")[-2000:]))


def demand_good_emulator(what):
    """Ends the program where the emulator would falsify what it is to show."""
    try:
        found = Bochs().defects()
    except CannotStart as error:
        sys.exit("%s: %s" % (what, error))
    if found:
        sys.exit("%s: this Bochs has defects that falsify results (%s): `make setup` builds a good one, build/bochs.log says why "
                 "it could not" % (what, ", ".join(found)))


def files_of(esp, program):
    """Paths of the files of directory @esp, for a disk that is to hold @program besides."""
    if not os.path.isdir(esp):
        raise CannotStart("%s is not a directory" % esp)
    if not os.path.exists(program):
        raise CannotStart("%s is not there: run `make`" % program)
    return sorted(path for path in (os.path.join(esp, name) for name in os.listdir(esp)) if os.path.isfile(path))


def make_uefi_disk(esp, image, loader):
    """A bare FAT volume with the loader and the files of @esp; mtools, so no mount is needed."""
    files = files_of(esp, loader)
    size = sum(os.path.getsize(f) for f in files) + os.path.getsize(loader)
    with open(image, "wb") as out:
        out.truncate((size // (1 << 20) + 40) << 20)
    run_quietly(["mformat", "-i", image, "-F", "-v", "CLOISTER", "::"])
    run_quietly(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"])
    run_quietly(["mcopy", "-i", image, loader, "::/EFI/BOOT/BOOTX64.EFI"])
    if files:
        run_quietly(["mcopy", "-i", image] + files + ["::/"])


def make_grub_disk(esp, image, kernel, work, platforms=("i386-pc",)):
    """GRUB as a rescue image that is attached as a hard disk: multiboot2 with every file as a module."""
    files = {os.path.basename(f): f for f in files_of(esp, kernel)}
    names = sorted(files, key=lambda n: (n != "cloister.conf", n))
    grub_disk(image, work, dict(files, **{"boot/cloister": kernel}),
              ["multiboot2 /boot/cloister"] + ["module2 /%s %s" % (n, n) for n in names], "multiboot2", platforms)


def disk_for(options, esp, work):
    """The disk that the options of run() name, or one with Cloister and the files of @esp."""
    if options["disk"]:
        return os.path.abspath(options["disk"])
    build, disk = options["build"] or build_dir(), os.path.join(work, "disk.img")
    if options["firmware"] == "uefi":
        make_uefi_disk(esp, disk, os.path.join(build, "BOOTX64.EFI"))
    else:
        make_grub_disk(esp, disk, os.path.join(build, "cloister.elf"), work)
    return disk


def grub_disk(image, work, files, commands, module, platforms=("i386-pc",)):
    """A rescue image with @files {path in it: path here}, on which GRUB, with @module for them, does @commands."""
    tree = os.path.join(work, "iso")
    os.makedirs(os.path.join(tree, "boot/grub"))
    for name, path in files.items():
        shutil.copy(path, os.path.join(tree, name))
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w") as cfg:
        cfg.write("\n".join(["set timeout=0"] + commands + ["boot", ""]))
    grub = [a for p in platforms for a in ("-d", "/usr/lib/grub/" + p)] if len(platforms) == 1 else []
    modules = module + " normal iso9660" + (" biosdisk part_msdos" if platforms == ("i386-pc",) else "")
    run_quietly(["grub-mkrescue"] + grub + ["-o", image, tree, "--install-modules=" + modules])
    shutil.rmtree(tree)


class Bochs:
    """The emulator that has VMX: EMULATOR facts are in docs/HARDWARE.md."""

    def __init__(self):
        own = os.path.join(ROOT, "build/bochs")
        self.env = dict(os.environ, TERM="dumb")
        override = os.environ.get("BOCHS")
        if override:
            self.command, self.share = [override], os.environ.get("BXSHARE", "/usr/share/bochs")
            self.checked = os.path.join(ROOT, "build/bochs-override.defects")
        else:
            self.checked = own + "/defects"
            if os.path.exists(own + "/bin/bochs"):
                self.command, self.share = [own + "/bin/bochs"], own + "/share"
            elif os.path.exists(own + "/root/usr/bin/bochs-bin"):
                self.unpacked(own + "/root")
            elif shutil.which("bochs"):
                self.command, self.share = [shutil.which("bochs")], "/usr/share/bochs"
            else:
                raise CannotStart("there is no Bochs: run `make setup`")
        self.env["BXSHARE"] = self.share

    def unpacked(self, root):
        """Debian trixie's packages, which need their own libraries."""
        libs = "%s/usr/lib/x86_64-linux-gnu:%s/lib/x86_64-linux-gnu" % (root, root)
        loader = next((p for p in (root + "/usr/lib64/ld-linux-x86-64.so.2", root + "/lib64/ld-linux-x86-64.so.2")
                       if os.path.exists(p)), root + "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
        self.command, self.share = [loader, "--library-path", libs, root + "/usr/bin/bochs-bin"], root + "/usr/share/bochs"
        self.env["LTDL_LIBRARY_PATH"] = root + "/usr/lib/x86_64-linux-gnu/bochs/plugins"

    def identity(self):
        """Which program this is: a check of it holds for no other."""
        try:
            stat = os.stat(self.command[-1])
        except OSError as error:
            raise CannotStart("there is no such Bochs: %s" % error)
        return "%s %d %d" % (os.path.abspath(self.command[-1]), stat.st_size, stat.st_mtime)

    def defects(self):
        """What tools/setup found wrong with it: names, none for a good one."""
        try:
            with open(self.checked) as f:
                lines = f.read().splitlines()
        except OSError:
            lines = []
        return lines[1:] if lines and lines[0] == self.identity() else ["not checked yet by tools/setup"]

    def firmware(self, options, work):
        if options["firmware"] == "bios":
            return self.share + "/BIOS-bochs-latest", ""
        rom = os.path.join(work, "ovmf.fd")
        with open(rom, "wb") as out:
            for part in ("OVMF_VARS_4M.fd", "OVMF_CODE_4M.fd"):
                try:
                    with open("/usr/share/OVMF/" + part, "rb") as f:
                        out.write(f.read())
                except OSError as error:
                    raise CannotStart("no UEFI firmware (%s): run `make setup`" % error)
        return rom, ", address=0xffc00000"

    @staticmethod
    def serial_lines(work, port):
        return ["com1: enabled=1, mode=" + ("socket-server, dev=127.0.0.1:%d" % port if port else "file, dev=%s/serial.txt" % work)]

    def configure(self, options, disk, work, port):
        rom, address = self.firmware(options, work)
        exclude = ', exclude_features="%s"' % options["exclude_features"] if options["exclude_features"] else ""
        quantum = ", quantum=%d" % options["quantum"] if options["quantum"] else ""
        lines = [
            "display_library: term",
            "cpu: model=%s, count=%s, ips=100000000, reset_on_triple_fault=0%s%s" % (
                options["model"], options["smp"], quantum, exclude),
            "memory: guest=%d, host=%d" % (options["mem"], min(options["mem"], 2048)),
            "romimage: file=%s%s" % (rom, address),
            "vgaromimage: file=%s/VGABIOS-lgpl-latest" % self.share,
            "vga: extension=none",
            "pci: enabled=1, chipset=i440fx",
            "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
            "ata0-master: type=disk, mode=volatile, path=%s, journal=%s/journal" % (disk, work),
            "boot: disk",
            "clock: sync=none",
        ] + self.serial_lines(work, port) + [
            "log: %s/bochs.log" % work,
            "panic: action=fatal", "error: action=report", "info: action=ignore",
        ]
        with open(os.path.join(work, "bochsrc"), "w") as rc:
            rc.write("\n".join(lines) + "\n")

    def start(self, options, disk, work, port):
        self.configure(options, disk, work, port)
        command, script = self.command + ["-q", "-unlock", "-f", "bochsrc"], options["debugger"]
        if script:
            command += ["-dbg", "-rc", os.path.abspath(script)]
        env = dict(self.env)
        if options["seed"] is not None:
            env["BOCHS_SEED"] = str(options["seed"])
        if options["longest"]:
            env["BOCHS_LONGEST"] = options["longest"]
        if options["nmi"]:
            env["BOCHS_NMI"] = "%x-%x" % options["nmi"]
        with open(os.path.join(work, "console.txt"), "wb") as out:
            return subprocess.Popen(DIE_WITH_US + command, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT, start_new_session=True)

    @staticmethod
    def complaints(work):
        try:
            with open(os.path.join(work, "bochs.log"), errors="replace") as log:
                wanted = [line.rstrip() for line in log if re.search(r">>PANIC<<|VMENTER|VMFAIL|VMCS|FIFO overflow", line)]
        except OSError:
            return ""
        return "\n".join(wanted[-10:])

    @staticmethod
    def refusal(work):
        """Why Bochs ended before the first instruction; None if it did start."""
        try:
            with open(os.path.join(work, "bochs.log"), errors="replace") as log:
                panics = [line.strip() for line in log if ">>PANIC<<" in line]
        except OSError:
            return "Bochs does not accept its configuration: is there such a CPU model, topology, memory size?"
        return panics[0] if panics and re.match(r"0+p", panics[0]) else None


class Qemu:
    """TCG has no VMX; boots through OVMF and GRUB are tested here."""

    def start(self, options, disk, work, port):
        if not shutil.which("qemu-system-x86_64"):
            raise CannotStart("there is no qemu-system-x86_64: run `make setup`")
        machine = qemu.Machine("q35", options["firmware"], "disk", options["smp"], ("vga",), mem=options["mem"], accel="tcg")
        ovmf = qemu.find_ovmf()
        if options["firmware"] == "uefi" and not ovmf:
            raise CannotStart("no UEFI firmware: run `make setup`")
        command = machine.command([disk], ovmf, "tcp:127.0.0.1:%d,server=on" % port if port else "file:%s/serial.txt" % work)
        with open(os.path.join(work, "console.txt"), "wb") as out:
            return subprocess.Popen(DIE_WITH_US + command, cwd=work, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT, start_new_session=True)

    @staticmethod
    def complaints(work):
        with open(os.path.join(work, "console.txt"), errors="replace") as out:
            return out.read()[-2000:]

    def refusal(self, work):
        """Why QEMU ended without a word on the serial line; None if it said nothing of its own either."""
        return self.complaints(work).strip() or None


class FileSerial:
    """Output only: the emulator appends to a file."""

    def __init__(self, work):
        self.path, self.file = os.path.join(work, "serial.txt"), None

    def read(self, wait):
        if not self.file:
            try:
                self.file = open(self.path, "rb")
            except OSError:
                time.sleep(wait)
                return b""
        data = self.file.read()
        if not data:
            time.sleep(wait)
        return data

    def write(self, data):
        raise CannotStart("this run has no serial input")


class Clock:
    """Seconds that count for a run: those of CPU time that its emulator got, so that none fails for what else the machine
    does meanwhile. An emulator that waits for ever has an end too: STARVED seconds of the wall count as one."""

    STARVED = 10

    def __init__(self, pid):
        self.path, self.seconds = "/proc/%d/stat" % pid, 0.0
        self.wall, self.cpu = time.time(), self.read()

    def read(self):
        """CPU seconds of its emulator so far."""
        try:
            with open(self.path) as f:
                fields = f.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:  # it has ended
            return self.cpu

    def __call__(self):
        wall, cpu = time.time(), self.read()
        self.seconds += max(cpu - self.cpu, (wall - self.wall) / self.STARVED)
        self.wall, self.cpu = wall, cpu
        return self.seconds

    def sleep(self, seconds):
        end = self() + seconds
        while self() < end:
            time.sleep(0.01)


class SocketSerial:
    """Both ways: the emulator waits for us on a local port."""

    def __init__(self, port, process):
        self.clock = Clock(process.pid)
        end = time.time() + 20
        self.socket = None
        while not self.socket:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), 1)
            except OSError:
                if time.time() > end or process.poll() is not None:
                    raise CannotStart("the emulator does not open its serial port")
                time.sleep(0.05)

    def read(self, wait):
        ready, _, _ = select.select([self.socket], [], [], wait)
        if not ready:
            return b""
        time.sleep(GATHER)
        try:
            return self.socket.recv(65536)
        except OSError:
            return b""

    def write(self, data):
        # A 16550 holds 16 bytes: what comes faster than the guest reads would be lost.
        for i in range(0, len(data), 8):
            self.socket.sendall(data[i:i + 8])
            self.clock.sleep(0.02)


class Script:
    """Lines `expect REGEX [seconds]`, `send TEXT` (a carriage return follows) and `press ^X` (one control key) played
    over the console; for nested machines also `monitor TEXT` (a command for QEMU's monitor) and `sleep N` (seconds of the
    outer system's clock)."""

    def __init__(self, text, patience=1):
        """@patience: how many times as long as is written it waits."""
        self.patience, self.steps, self.seen, self.deadline, self.failure = patience, [], 0, None, None
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            verb, _, rest = line.partition(" ")
            if verb == "expect":
                match = re.match(r"(.*?)(?:\s+(\d+)s)?$", rest)
                self.steps.append(("expect", match.group(1), int(match.group(2) or 60)))
            elif verb == "send":
                self.steps.append(("send", rest.encode() + b"\r", 0))
            elif verb == "press" and re.fullmatch(r"\^[@-_]", rest):
                self.steps.append(("send", bytes([ord(rest[1]) - 0x40]), 0))
            elif verb in ("monitor", "sleep"):
                self.steps.append((verb, rest, 0))
            else:
                raise CannotStart("script: %r is not expect, send or press ^X" % line)

    def advance(self, serial, text, now):
        while self.steps and not self.failure:
            verb, argument, limit = self.steps[0]
            if verb == "send":
                serial.write(argument)
            elif verb in ("monitor", "sleep"):
                if not hasattr(serial, verb):
                    raise CannotStart("script: %s is only for nested machines" % verb)
                getattr(serial, verb)(argument)
            else:
                self.deadline = self.deadline or now + limit * self.patience
                match = re.compile(argument).search(text, self.seen)
                if not match:
                    if now > self.deadline:
                        self.failure = "the console never showed %r within %d s" % (argument, limit)
                    return
                self.seen = match.end()
                self.deadline = None
            self.steps.pop(0)


def player(script, patience=1):
    """What plays @script: its text, or something that does so itself."""
    return Script(script, patience) if isinstance(script, str) else script


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


DEFAULTS = {
    "model": "corei7_skylake_x", "smp": "1:1:1", "mem": 1024, "firmware": "bios", "timeout": 120, "quantum": 0,
    "debugger": None, "seed": None, "exclude_features": "", "machine": "bochs", "script": None, "interactive": False, "keep": None,
    "disk": None, "build": None, "longest": None, "nmi": None,
}


def judge(text, boots=1):
    """Exit status by the records so far: None while the run goes on."""
    end = recordlib.last(text, "end", boots)
    if end:
        match = re.search(r'"status":(-?\d+)', end)
        return 0 if match and match.group(1) == "0" else 1
    return 1 if recordlib.last(text, "panic", boots) else None


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def plain(raw):
    """Console output as text, without the colours of the VMs' names."""
    return re.sub(r"\x1b\[[0-9;]*m", "", raw.decode(errors="replace"))


def follow(process, serial, script, timeout, echo, clock, boots=1):
    """Reads until the run ends, for @timeout seconds of @clock at most; (status, text)."""
    raw, end, stop = b"", clock() + timeout, None
    while True:
        ended = process.poll() is not None  # asked before reading: then nothing more can come
        data = serial.read(0.05)
        raw += data
        if echo and data:
            echo(data)
        text = plain(raw)
        if script:
            script.advance(serial, text, clock())
            if script.failure:
                return 1, text
        status = judge(text, boots)
        now = clock()
        if status is not None and stop is None:
            stop = now + (GRACE_PANIC if '"type":"panic"' in text else GRACE_END)
        if stop is not None and now >= stop:
            return status, text
        if ended and not data:
            return (status if status is not None else 1), text
        if now > end:
            return 124, text


def keys_for_guest(typed, escaped):
    """What of @typed the guest gets, whether Ctrl-A waits for its second key, and whether the user wants to leave."""
    keys = bytearray()
    for key in typed:
        if escaped and key in b"xX":
            return bytes(keys), False, True
        if key == 1 and not escaped:
            escaped = True
            continue
        keys.append(key)
        escaped = False
    return bytes(keys), escaped, False


def interact(process, serial):
    """The terminal as the console, raw; Ctrl-A x leaves, Ctrl-A twice is one Ctrl-A."""
    import termios
    import tty
    stdin, saved, text, escaped, stop = sys.stdin.fileno(), termios.tcgetattr(sys.stdin), "", False, None
    tty.setraw(stdin)
    try:
        while True:
            ended = process.poll() is not None
            data = serial.read(0.02)
            if data:
                os.write(1, data)
                text += data.decode(errors="replace")
                if len(text) > 200000:  # the first record, which says the key, stays
                    text = text[:20000] + text[-20000:]
            status = judge(text)
            if status is not None:
                stop = stop or time.time() + GRACE_PANIC
                if time.time() > stop or ended:
                    return status, text
            if ended and not data:
                return 1, text
            if select.select([stdin], [], [], 0)[0]:
                typed = os.read(stdin, 64)
                keys, escaped, leave = keys_for_guest(typed, escaped)
                if leave or not typed:
                    return 0, text
                serial.write(keys)
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, saved)


def finish(status, text, elapsed, script, log, boots=1):
    """The Result of a run that has ended; a script that was not played to its end is a failure."""
    if script and script.steps and not script.failure and status != 124:
        status, script.failure = 1, "the run ended before %r was done" % " ".join(str(part) for part in script.steps[0][:2])
    if script and script.failure:
        log = "script: %s\n%s" % (script.failure, log)
    return Result(status, text.replace("\r\n", "\n").replace("\r", "\n"), elapsed, log, boots)


def run(esp, echo=None, **given):
    """Boots Cloister with the files of directory @esp (cloister.conf among them). Options: DEFAULTS."""
    options = dict(DEFAULTS, **given)
    if options["interactive"] and not sys.stdin.isatty():
        raise CannotStart("an interactive run needs a terminal on its input")
    work = options["keep"] or tempfile.mkdtemp(prefix="cloister-emu-")
    os.makedirs(work, exist_ok=True)
    for stale in ("serial.txt", "bochs.log", "console.txt"):
        if os.path.exists(os.path.join(work, stale)):
            os.unlink(os.path.join(work, stale))
    started = time.time()
    try:
        disk = disk_for(options, esp, work)
        emulator = Qemu() if options["machine"] == "qemu-tcg" else Bochs()
        script = player(options["script"]) if options["script"] else None
        port = free_port() if script or options["interactive"] else 0
        process = emulator.start(options, disk, work, port)
        try:
            serial = SocketSerial(port, process) if port else FileSerial(work)
            if options["interactive"]:
                status, text = interact(process, serial)
            else:
                status, text = follow(process, serial, script, options["timeout"], echo, Clock(process.pid))
        finally:
            kill(process)
        if status == 1 and not text and emulator.refusal(work):
            raise CannotStart(emulator.refusal(work))
        return finish(status, text, time.time() - started, script, emulator.complaints(work))
    finally:
        if not options["keep"]:
            shutil.rmtree(work, ignore_errors=True)
