# SPDX-License-Identifier: MIT
"""A whole Debian 12 with its own kernel and initial RAM file system, and the kernel of the Debian after it."""

import hashlib
import os
import re

from . import cases_linux
from .harness import BUILD, ROOT, Skip, config, need

DEBIAN = {name: os.path.join(BUILD, "debian", name) for name in ("vmlinuz", "initrd.img", "rootfs.img")}
TRIXIE = {name: os.path.join(BUILD, "trixie", name) for name in ("vmlinuz", "initrd.img")}
SECTIONS = {
    "state": "systemctl is-system-running --wait",
    "failed": "systemctl --failed --no-legend --plain",
    "root": "findmnt -n -o SOURCE,FSTYPE,OPTIONS /",
    "release": "uname -r; . /etc/os-release; echo $VERSION_CODENAME",
    "disk": "cd /root; head -c 8388608 /dev/urandom > a; sha256sum < a; sync; echo 3 > /proc/sys/vm/drop_caches; sha256sum < a",
    "stress": "stress-ng --fork 1 --fork-ops 100 --hdd 1 --hdd-ops 64 --hdd-bytes 4m --verify 2>&1",
    "warnings": "dmesg -r | grep '^<[0-4]>'",
}

# What this kernel says on any machine when device-mapper is loaded.
REMARK = "device-mapper: core: CONFIG_IMA_DISABLE_HTABLE is disabled"


def available(files):
    for path in files:
        if not os.path.exists(path):
            raise Skip("%s is not there: run make debian" % os.path.relpath(path, ROOT))


def guest(name, words=""):
    return {"kernel": "vmlinuz", "initrd": "initrd.img", "disk": "rootfs.img", "memory": "256M",
            "cmdline": "console=ttyS0 root=/dev/vda quiet systemd.hostname=%s%s" % (name, words)}


def check_restricted(run, vm):
    stats = run.one("stats", vm=vm)
    share = 100.0 * stats["restricted"] / stats["total"]
    need(share >= 99, "%s: only %.2f %% of %d exits stayed restricted" % (vm, share, stats["total"]))


def root_file_system(context):
    """To the log-in prompt from the virtual disk, all services up, some work on the disk, and off by systemd."""
    if context.command([os.path.join(ROOT, "tools/debian-setup")])[0]:
        raise Skip("Debian's file system could not be made: see the log")
    script = cases_linux.LOGIN % 900
    for name, command in SECTIONS.items():
        script += cases_linux.PRINT % (name, command, name, name)
    run = context.boot(config({"alpha": guest("alpha")}), DEBIAN, script=script + "send poweroff\n",
                       timeout=1800)
    run.expect_vm("alpha", "poweroff")
    run.expect_errors()
    run.expect_end(0)
    parts = {name: cases_linux.section(run, name, command).strip() for name, command in SECTIONS.items()}
    need(parts["state"] == "running", "systemd says that the system is %r" % parts["state"])
    need(not parts["failed"], "failed services: %s" % parts["failed"])
    need(re.match(r"/dev/vda\s+ext4\s+rw", parts["root"]), "the root file system is %r" % parts["root"])
    need(re.search(r"-cloud-amd64\s+bookworm", parts["release"]), "the release is %r" % parts["release"])
    sums = re.findall(r"[0-9a-f]{64}", parts["disk"])
    need(len(sums) == 2 and sums[0] == sums[1], "what the disk gives back is not what was written: %s" % sums)
    need("successful run completed" in parts["stress"], "stress-ng says %r" % parts["stress"])
    unexpected = [w for w in cases_linux.unexpected_warnings(parts["warnings"]) if REMARK not in w]
    need(not unexpected, "dmesg has %d warnings: %s" % (len(unexpected), unexpected[:4]))
    check_restricted(run, "alpha")


def two_meet(context):
    """Two guests that take turns on one core ping each other and move a file both ways over the hypervisor's switch."""
    available(DEBIAN.values())
    names = ("alpha", "beta")
    run = context.boot(config({name: dict(guest(name, " cloister.meet"), net="lan0") for name in names}), DEBIAN,
                       mem=2048, timeout=3000)
    text = {name: "\n".join(run.guest_lines(name)) for name in names}
    sums = {}
    for name in names:
        run.expect_vm(name, "poweroff")
        need(re.search(r"meet: 5 packets transmitted, 5 received, 0% packet loss", text[name]), "%s lost pings" % name)
        for verb in ("sends", "got"):
            found = re.search(r"meet: %s %s ([0-9a-f]{64})" % (name, verb), text[name])
            need(found, "%s does not say what it %s" % (name, verb))
            sums[name, verb] = found.group(1)
    need(sums["alpha", "sends"] == sums["beta", "got"], "beta got something else than alpha sent")
    need(sums["beta", "sends"] == sums["alpha", "got"], "alpha got something else than beta sent")
    need(sums["alpha", "sends"] != sums["beta", "sends"], "both sent the same")
    run.expect_errors()
    run.expect_end(0)


def trixie_kernel(context):
    """Debian 13's kernel in the demonstration's file system: to the shell, its own driver reads a disk, and off."""
    available(TRIXIE.values())
    data = os.urandom(1 << 20)
    script = cases_linux.session(["uname", "warnings", "work"]) + cases_linux.PRINT % ("disk", "sha256sum /dev/vda", "disk", "disk")
    run = cases_linux.boot(context, script + "send poweroff -f\n", files=dict(TRIXIE, **{"data.img": data}),
                           vm={"disk": "data.img"})
    run.expect_vm("linux", "poweroff")
    run.expect_errors()
    run.expect_end(0)
    need(re.search(r"\b6\.12\.\d+\+deb13-cloud-amd64 .*x86_64 GNU/Linux", cases_linux.section(run, "uname")),
         "uname says %r" % cases_linux.section(run, "uname"))
    need(hashlib.sha256(data).hexdigest() in cases_linux.section(run, "disk", "sha256sum"), "the disk reads as something else")
    unexpected = cases_linux.unexpected_warnings(cases_linux.section(run, "warnings"))
    need(not unexpected, "dmesg has %d warnings: %s" % (len(unexpected), unexpected[:4]))
    cases_linux.check_restricted(run)


def register(suite):
    suite.add("debian-root-file-system", root_file_system, 200)
    suite.add("debian-two-meet", two_meet, 400, wide=True)
    suite.add("debian-trixie-kernel", trixie_kernel, 40, wide=True)
