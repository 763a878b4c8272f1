# SPDX-License-Identifier: MIT
"""A GRUB disk whose configuration has commands of a test's own before Cloister is started."""

import os
import shutil
import subprocess

from .harness import BUILD, Failure


def grub_disk(context, files, commands):
    """@files {name: path or bytes}; @commands: GRUB commands, a module of each one's name is loaded. The disk's path."""
    tree, image = os.path.join(context.dir, "tree"), os.path.join(context.dir, "disk.img")
    os.makedirs(os.path.join(tree, "boot/grub"))
    shutil.copy(os.path.join(BUILD, "cloister.elf"), os.path.join(tree, "boot/cloister"))
    lines = ["set timeout=0", commands, "multiboot2 /boot/cloister"]
    for name, source in files.items():
        if isinstance(source, bytes):
            with open(os.path.join(tree, name), "wb") as out:
                out.write(source)
        else:
            shutil.copy(source, os.path.join(tree, name))
        lines.append("module2 /%s %s" % (name, name))
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w") as cfg:
        cfg.write("\n".join(lines + ["boot"]) + "\n")
    modules = "multiboot2 normal iso9660 biosdisk part_msdos " + commands.split()[0]
    done = subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", image, tree,
                           "--install-modules=" + modules], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    context.note(done.stdout.decode(errors="replace"))
    if done.returncode:
        raise Failure("grub-mkrescue failed")
    return image
