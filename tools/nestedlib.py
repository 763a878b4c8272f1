# SPDX-License-Identifier: MIT
"""Cloister nested: Bochs runs Debian's kernel with KVM (the outer system), QEMU there runs machines one after the other, and
Cloister is started on them.

COM1 is the running machine's serial line, COM2 the outer system's shell, which this side drives."""

import base64
import gzip
import hashlib
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import emulib
import qemu
from emulib import CannotStart

RELEASES = ("bookworm", "trixie")
MEMORY = 2048
START_SECONDS = 240
# Than the same in the emulator itself: what a script's waiting is multiplied by.
SLOWER = 3
# From a run's end to QEMU's.
END_SECONDS = 60
# What is sent over the shell's line: at some 10 KB a second.
LARGEST_FILE = 128 << 10
PIECE = 512
BAKED, JOB = "/baked", "/job"
# As one file it boots in a third of the time: each byte that is written to flash is several exits, and KVM maps memory anew.
OVMF = ("/usr/share/OVMF/OVMF.fd",)
OVMF_FLASH = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")


class Lost(CannotStart):
    """The outer system does not answer any more."""


class OuterBochs(emulib.Bochs):
    """Two serial lines, which Bochs connects to @ports; what KVM does at each exit would fill the log."""

    def __init__(self, ports):
        super().__init__()
        self.ports = ports

    def serial_lines(self, work, port):
        return ["com%d: enabled=1, mode=socket-client, dev=127.0.0.1:%d" % (i + 1, p) for i, p in enumerate(self.ports)]

    def configure(self, options, disk, work, port):
        super().configure(options, disk, work, port)
        with open(os.path.join(work, "bochsrc"), "a") as rc:
            rc.write("error: action=ignore\n")


class Line:
    """A serial line to which the emulator connects. Its reader there takes what it has room for: nothing is held back."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.port, self.socket = self.listener.getsockname()[1], None

    def accept(self):
        try:
            self.socket = self.listener.accept()[0]
        except OSError:
            raise CannotStart("the emulator does not open its serial port")
        self.listener.close()

    def read(self, wait):
        ready, _, _ = select.select([self.socket], [], [], wait)
        return self.socket.recv(65536) if ready else b""

    def write(self, data):
        self.socket.sendall(data)


def recipe(release):
    """The folder with the outer system's kernel and files; made if it is not there or older than what makes it."""
    folder = os.path.join(emulib.build_dir(), "nested", release)
    maker, made = os.path.join(emulib.ROOT, "tools/outer"), os.path.join(folder, "base.img")
    if not os.path.exists(made) or os.path.getmtime(made) < os.path.getmtime(maker):
        emulib.run_quietly([maker, release, folder])
    return folder


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Job:
    """A machine that runs: for emulib.follow() both the process and its serial line."""

    def __init__(self, outer, mark):
        self.outer, self.mark, self.code = outer, mark, None

    def poll(self):
        """QEMU's exit status, None while it runs."""
        if self.code is None:
            self.outer.listen(0)
            match = re.search(r"^=%s (\d+)\n" % self.mark, self.outer.said, re.M)
            self.code = int(match.group(1)) if match else None
        return self.code

    def read(self, wait):
        return self.outer.console.read(wait)

    def write(self, data):
        self.outer.console.write(data)

    def monitor(self, text):
        """Gives QEMU's monitor a command; its answer is in /job/monitor.txt."""
        self.outer.say("echo %s > %s/monitor.in" % (shlex.quote(text), JOB))

    def sleep(self, seconds):
        """Lets so much time pass on the outer system's clock, which runs fast while it has nothing to do."""
        self.outer.must("sleep %g" % float(seconds))

    def kill(self):
        self.outer.say("kill -9 $(pidof qemu-system-x86_64)")

    def wait(self, seconds):
        """The rest of the serial output, until QEMU has ended or the time is over."""
        clock, rest = self.outer.clock, b""
        end = clock() + seconds
        while clock() < end and self.outer.process.poll() is None:
            ended = self.poll() is not None
            data = self.read(0.05)
            rest += data
            if ended and not data:
                break
        return rest


class Outer:
    """An outer system that is up. One machine at a time; rest() between two, so that it takes no time of others."""

    def __init__(self, release="bookworm", image=None, extra=()):
        """@image: a disk image that machines can boot, as `make image` makes it; @extra: more files to have there, which
        are too large to be sent."""
        self.work = tempfile.mkdtemp(prefix="cloister-outer-")
        self.said, self.marks, self.process, self.shell, self.image = "", 0, None, None, image
        try:
            disk = self.disk(recipe(release), extra)
            self.console, self.shell = Line(), Line()
            options = dict(emulib.DEFAULTS, mem=MEMORY, firmware="bios")
            bochs = OuterBochs([line.port for line in (self.console, self.shell)])
            self.process = bochs.start(options, disk, self.work, 0)
            self.clock = emulib.Clock(self.process.pid)
            self.console.accept()
            self.shell.accept()
            self.expect("up", 0, START_SECONDS)
            self.must("test -e /dev/kvm")
        except BaseException:
            self.close()
            raise

    def disk(self, folder, extra):
        build = emulib.build_dir()
        tree = os.path.join(self.work, "tree")
        os.makedirs(tree + BAKED)
        guests = os.path.join(build, "guests")
        files = [os.path.join(build, name) for name in ("cloister.elf", "BOOTX64.EFI", "linux/vmlinuz", "linux/initrd.img")]
        files += sorted(os.path.join(guests, name) for name in os.listdir(guests) if name.endswith(".bin"))
        self.baked = {}
        for path in files + list(extra):
            if not os.path.exists(path):
                raise CannotStart("%s is not there: run `make hypervisor guests`" % path)
            name = "%s/%d-%s" % (BAKED, len(self.baked), os.path.basename(path))
            shutil.copy(path, tree + name)
            self.baked[digest(path)] = name
        self.boot = {name: self.baked[digest(os.path.join(build, name))] for name in ("cloister.elf", "BOOTX64.EFI")}
        grub = os.path.join(tree + BAKED, "grub.img")
        emulib.grub_disk(grub, self.work, {}, ["set root=(hd1,msdos1)", "configfile /grub.cfg"], "multiboot2 fat configfile")
        self.assemble = self.pieces(tree + BAKED) if self.image else None
        payload = os.path.join(self.work, "payload.img")
        with open(payload, "wb") as out:
            subprocess.run("find . | cpio -o -H newc --quiet", shell=True, cwd=tree, stdout=out, check=True)
        shutil.rmtree(tree)
        disk = os.path.join(self.work, "outer.img")
        names = {"boot/vmlinuz": folder + "/vmlinuz", "boot/base.img": folder + "/base.img", "boot/payload.img": payload}
        emulib.grub_disk(disk, self.work, names, [
            "linux /boot/vmlinuz console=ttyS1 quiet loglevel=4 tsc_early_khz=100000", "initrd /boot/base.img /boot/payload.img"], "linux")
        os.unlink(payload)
        return disk

    def pieces(self, folder):
        """Writes what of the disk image is not zero to files in @folder; the command that puts it together again there."""
        image, size = os.path.join(self.work, "image"), 1 << 20
        if not qemu.copy_with_exit_port(self.image, image):
            raise CannotStart("%s has no cloister.conf" % self.image)
        commands = ["truncate -s %d /image" % os.path.getsize(image)]
        with open(image, "rb") as f:
            for index, block in enumerate(iter(lambda: f.read(size), b"")):
                if block.strip(b"\0"):
                    with open(os.path.join(folder, "piece%d" % index), "wb") as out:
                        out.write(block)
                    commands.append("dd if=%s/piece%d of=/image bs=1M seek=%d conv=notrunc 2> /dev/null" % (BAKED, index, index))
        os.unlink(image)
        with open(os.path.join(folder, "assemble"), "w") as out:
            out.write("\n".join(commands) + "\n")
        return "sh %s/assemble" % BAKED

    def close(self):
        if self.process:
            emulib.kill(self.process)
        shutil.rmtree(self.work, ignore_errors=True)

    def rest(self):
        """The emulator stands still until the next run()."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def wake(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def listen(self, wait):
        self.said += self.shell.read(wait).decode(errors="replace").replace("\r", "")

    def say(self, line):
        self.shell.write(line.encode() + b"\n")

    def expect(self, mark, begin, seconds):
        """Waits for the line `=MARK STATUS`; the status and what was said before it, from @begin on."""
        end = self.clock() + seconds
        while True:
            self.listen(0.05)
            match = re.search(r"(.*?)^=%s (\d+)\n" % mark, self.said[begin:], re.S | re.M)
            if match:
                return int(match.group(2)), match.group(1)
            if self.process.poll() is not None:
                raise Lost("the outer system's emulator has ended")
            if self.clock() > end:
                raise Lost("the outer system does not answer within %d s: %s" % (seconds, self.said[-500:]))

    def command(self, command, seconds=120):
        """(exit status, output) of a shell command in the outer system."""
        self.marks += 1
        mark, begin = "m%d" % self.marks, len(self.said)
        self.say("%s; echo =%s $?" % (command, mark))
        return self.expect(mark, begin, seconds)

    def must(self, command, seconds=120):
        status, text = self.command(command, seconds)
        if status:
            raise Lost("%s: status %d, %s" % (command, status, text))

    def send(self, path, target):
        """A file of this side, as @target there; only its name is sent if it is there already."""
        known = self.baked.get(digest(path))
        if known:
            return self.must("ln %s %s" % (known, target))
        with open(path, "rb") as f:
            packed = gzip.compress(f.read(), mtime=0)
        if len(packed) > LARGEST_FILE:
            raise CannotStart("%s is too large to be sent to the outer system" % os.path.basename(path))
        text = base64.b64encode(packed).decode()
        self.must(": > %s/packed" % JOB)
        for at in range(0, len(text), PIECE):
            self.must("echo %s >> %s/packed" % (text[at:at + PIECE], JOB))
        self.must("base64 -d %s/packed | gunzip > %s; rm %s/packed" % (JOB, target, JOB))

    def medium(self, esp, machine):
        """Lays out what the machine boots from: images, or folders that QEMU shows as a disk."""
        boot = JOB + "/boot"
        self.must("mkdir -p %s/EFI/BOOT" % boot)
        names = sorted(os.listdir(esp), key=lambda name: (name != "cloister.conf", name))
        for name in names:
            path = os.path.join(esp, name)
            if name == "cloister.conf":
                with open(path, errors="surrogateescape") as f:
                    conf = qemu.with_exit_port(f.read())
                path = os.path.join(self.work, name)
                with open(path, "w", errors="surrogateescape") as f:
                    f.write(conf)
            self.send(path, shlex.quote("%s/%s" % (boot, name)))
        if machine.firmware == "uefi":
            self.must("ln %s %s/EFI/BOOT/BOOTX64.EFI" % (self.boot["BOOTX64.EFI"], boot))
            return ["fat:" + boot]
        lines = ["multiboot2 /cloister.elf"] + ["module2 /%s %s" % (name, name) for name in names] + ["boot"]
        self.must("ln %s %s/cloister.elf; printf '%%s\\n' %s > %s/grub.cfg" % (
            self.boot["cloister.elf"], boot, " ".join(shlex.quote(line) for line in lines), boot))
        return [BAKED + "/grub.img", "fat:" + boot]

    def start(self, machine, media, reboots):
        """Starts QEMU; a Job."""
        self.marks += 1
        mark = "q%d" % self.marks
        ovmf = OVMF_FLASH if "flash" in machine.extras else OVMF
        command = machine.command(media, ovmf, serial="stdio", monitor="pipe:%s/monitor" % JOB, reboots=reboots)
        self.must("mkfifo %s/monitor.in %s/monitor.out; stty -F /dev/ttyS0 115200 raw -echo -onlcr" % (JOB, JOB))
        self.say("cat %s/monitor.out > %s/monitor.txt & (%s < /dev/ttyS0 > /dev/ttyS0 2> %s/errors; echo =%s $?) &" % (
            JOB, JOB, " ".join(shlex.quote(word) for word in command), JOB, mark))
        return Job(self, mark)

    def run(self, esp, machine, script=None, timeout=300, echo=None, reboots=False, tells=True):
        """Boots Cloister on @machine with the files of directory @esp, or the outer system's disk image if that is None; an
        emulib.Result whose code is QEMU's own exit status. @tells: it is to be what the end record says."""
        self.wake()
        started, play = time.time(), emulib.player(script, SLOWER) if script else None
        self.must("rm -rf %s; mkdir %s" % (JOB, JOB))
        if esp is None:
            if not self.assemble:
                raise CannotStart("this outer system was started without a disk image")
            self.must("test -e /image || %s" % self.assemble)
            media = ["/image"]
        else:
            media = self.medium(esp, machine)
        job, boots = self.start(machine, media, reboots), 2 if reboots else 1
        try:
            status, text = emulib.follow(job, job, play, timeout * SLOWER, echo, self.clock, boots)
            if status == 124 or play and play.failure:
                job.kill()
            text += emulib.plain(job.wait(END_SECONDS))
            if job.code is None:
                job.kill()
                text += emulib.plain(job.wait(END_SECONDS))
            if job.code is None:
                raise Lost("QEMU cannot be ended")
            errors = self.command("cat %s/errors" % JOB)[1].strip()
        except Lost:
            self.close()
            raise
        result = emulib.finish(status, text, time.time() - started, play, errors, boots)
        result.code = job.code
        ends = result.of_type("end")
        if tells and status != 124 and ends and job.code != qemu.exit_code(ends[0]["status"]):
            raise CannotStart("the end record says %s and QEMU's exit status is %d: %s" % (ends[0]["status"], job.code, errors))
        return result
