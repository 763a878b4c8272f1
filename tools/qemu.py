# SPDX-License-Identifier: MIT
"""The machines that QEMU plays for Cloister, and their command lines: for `make run-kvm`, for QEMU's TCG in the tests and
for the machines nested on KVM, so that what users run is what is tested."""

import os
import re
import struct
import subprocess
import uuid

CHIPSETS, FIRMWARES, MEDIA = ("q35", "pc"), ("bios", "uefi"), ("disk", "usb")
# Devices that are there and that nobody uses; a screen that nobody sees; UEFI's variables in flash as on most hosts, else the
# firmware is one file and forgets them. An emulated IOMMU wants the interrupt controllers split.
EXTRAS = {
    "iommu": ["-device", "intel-iommu"],
    "nvme": ["-drive", "if=none,id=nvme,driver=null-co,size=64M,read-zeroes=on", "-device", "nvme,serial=1,drive=nvme"],
    "e1000e": ["-device", "e1000e,romfile="],
    "vga": ["-vga", "std"],
    "flash": [],
}
CPUS = {"kvm": "host", "tcg": "qemu64,vendor=GenuineIntel"}
EXIT_PORT = 0xf4
ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le
# Where distributions put OVMF: Debian and Ubuntu, Arch, Fedora, openSUSE. Code and variables of 4 MiB first.
OVMF = [("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
        ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2", "/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"),
        ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd")]


class Unknown(Exception):
    """No machine is called that."""


def find_ovmf():
    """(code, variables) of this system's UEFI firmware; None if there is none."""
    return next((pair for pair in OVMF if all(os.path.exists(path) for path in pair)), None)


def threads(smp):
    """How many CPUs a topology `sockets:cores:threads` has."""
    sockets, cores, per_core = (int(n) for n in smp.split(":"))
    return sockets * cores * per_core


def topology(text):
    """`S:C:T`, or a number of cores, as `S:C:T`."""
    if re.fullmatch(r"[1-9]\d*", text):
        return "1:%s:1" % text
    if re.fullmatch(r"[1-9]\d*(:[1-9]\d*){2}", text):
        return text
    raise Unknown("%r is no number of CPUs and no sockets:cores:threads" % text)


def escaped(path):
    """A file's name as part of an option: a comma is doubled there."""
    return path.replace(",", ",,")


def exit_code(status):
    """What QEMU's own exit status is for what a run's end status tells the port (hv/console/end.h)."""
    return status << 1 | 1


def with_exit_port(conf):
    """Configuration text @conf that tells QEMU how the run ended; unchanged if it names a port itself."""
    if re.search(r"(?m)^\s*exit-port\s*=", conf):
        return conf
    key = "exit-port = 0x%x\n" % EXIT_PORT
    found = re.search(r"(?m)^[ \t]*\[hypervisor\].*\n", conf)
    return conf[:found.end()] + key + conf[found.end():] if found else "[hypervisor]\n" + key + conf


def esp_offset(image):
    """Where in a disk image with a GPT the EFI system partition begins, in bytes; None if there is none."""
    with open(image, "rb") as f:
        f.seek(512)
        header = f.read(92)
        if header[:8] != b"EFI PART":
            return None
        first, count, size = struct.unpack_from("<QII", header, 72)
        f.seek(first * 512)
        for _ in range(count):
            entry = f.read(size)
            if entry[:16] == ESP_TYPE:
                return 512 * struct.unpack_from("<Q", entry, 32)[0]
    return None


def copy_with_exit_port(image, copy):
    """Copies disk image @image, whose configuration then tells QEMU how the run ended; False if there is none in it."""
    offset = esp_offset(image)
    if offset is None:
        return False
    # Copied by cp, which leaves the holes holes.
    subprocess.run(["cp", "--sparse=always", image, copy], check=True)
    volume = "%s@@%d" % (copy, offset)
    conf = subprocess.run(["mtype", "-i", volume, "::/cloister.conf"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if conf.returncode:
        return False
    text = with_exit_port(conf.stdout.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    subprocess.run(["mcopy", "-o", "-i", volume, "-", "::/cloister.conf"], input=text, check=True)
    return True


def drive(name, index, medium):
    """A drive that is never written: what is changed goes with the machine. The first one is booted."""
    bus = "ide-hd,bus=ide.%d" % index if medium == "disk" else "usb-storage,removable=on"
    return ["-drive", "if=none,id=disk%d,format=raw,snapshot=on,file=%s" % (index, escaped(name)),
            "-device", "%s,drive=disk%d,bootindex=%d" % (bus, index, index)]


def flash(ovmf):
    """Two flash chips with code and variables; what is written goes with the machine."""
    options = []
    for path, access in zip(ovmf, ("readonly=on", "snapshot=on")):
        kind = "qcow2" if path.endswith(".qcow2") else "raw"
        options += ["-drive", "if=pflash,format=%s,%s,file=%s" % (kind, access, escaped(path))]
    return options


class Machine:
    """Chipset (q35 or pc), firmware, where the boot medium is (disk: at the chipset's own controller, AHCI or IDE; usb: a
    stick on xHCI), CPUs as sockets:cores:threads, EXTRAS. Its name has all of these: q35-uefi-usb-1:1:2-iommu."""

    def __init__(self, chipset="q35", firmware="uefi", medium="disk", smp="1:1:1", extras=(), mem=1024, accel="kvm"):
        for value, known in ((chipset, CHIPSETS), (firmware, FIRMWARES), (medium, MEDIA), (accel, CPUS)):
            if value not in known:
                raise Unknown("%r is none of %s" % (value, ", ".join(known)))
        for extra in extras:
            if extra not in EXTRAS:
                raise Unknown("%r is none of %s" % (extra, ", ".join(EXTRAS)))
        self.chipset, self.firmware, self.medium, self.extras = chipset, firmware, medium, tuple(extras)
        self.smp, self.mem, self.accel = topology(str(smp)), mem, accel

    @classmethod
    def parse(cls, name, **more):
        """The machine of that name; parts may be left out from the right. @more: what the name does not say."""
        parts = name.split("-")
        keys = dict(zip(("chipset", "firmware", "medium", "smp"), parts), extras=parts[4:], **more)
        return cls(**keys)

    def __str__(self):
        return "-".join((self.chipset, self.firmware, self.medium, self.smp) + self.extras)

    def command(self, media, ovmf=None, serial="mon:stdio", log=None, monitor=None, reboots=False):
        """QEMU and its arguments. @media: images, or fat:DIRECTORY; @ovmf: for UEFI, its code and variables, or one file with
        both; @serial: the serial line's character device, or with @log the terminal, shared with QEMU's monitor (Ctrl-A c) and
        copied to that file; @monitor: a character device for a monitor; @reboots: a reset does not end QEMU."""
        sockets, cores, per_core = self.smp.split(":")
        options = ",kernel-irqchip=split" if "iommu" in self.extras and self.accel == "kvm" else ""
        command = ["qemu-system-x86_64", "-machine", self.chipset + options, "-accel", self.accel, "-cpu", CPUS[self.accel],
                   "-smp", "%d,sockets=%s,cores=%s,threads=%s" % (threads(self.smp), sockets, cores, per_core),
                   "-m", str(self.mem), "-display", "none", "-net", "none",
                   "-device", "isa-debug-exit,iobase=0x%x,iosize=4" % EXIT_PORT]
        # The long form of mon:stdio, which has no room for a file.
        command += ["-chardev", "stdio,id=console,mux=on,signal=off,logfile=" + escaped(log), "-serial", "chardev:console",
                    "-mon", "chardev=console"] if log else ["-serial", serial]
        command += ["-monitor", monitor] if monitor else []
        command += [] if reboots else ["-no-reboot"]
        if self.firmware == "uefi":
            command += ["-bios", ovmf[0]] if len(ovmf) == 1 else flash(ovmf)
        for extra in self.extras:
            command += EXTRAS[extra]
        command += [] if "vga" in self.extras else ["-vga", "none"]
        command += ["-device", "qemu-xhci"] if self.medium == "usb" else []
        for index, name in enumerate(media):
            command += drive(name, index, self.medium)
        return command
