# SPDX-License-Identifier: MIT
"""A UEFI disk on which GRUB does something to the machine before it starts Cloister's loader."""

import os
import shutil

from .harness import BUILD, Failure, emulib

CONFIG = """%s
search --set=root --file /cloister.efi
chainloader /cloister.efi
boot
"""
MODULES = "normal part_msdos part_gpt fat search search_fs_file chain boot"


def uefi_disk(context, files, command):
    """@files {name: path or bytes}; @command: a GRUB command, the module of its name is loaded. The disk's path."""
    esp, work = os.path.join(context.dir, "esp"), os.path.join(context.dir, "grub")
    os.makedirs(esp)
    os.makedirs(work)
    for name, source in dict(files, **{"cloister.efi": os.path.join(BUILD, "BOOTX64.EFI")}).items():
        if isinstance(source, bytes):
            with open(os.path.join(esp, name), "wb") as out:
                out.write(source)
        else:
            shutil.copy(source, os.path.join(esp, name))
    with open(os.path.join(work, "grub.cfg"), "w") as out:
        out.write(CONFIG % command)
    loader, image = os.path.join(work, "BOOTX64.EFI"), os.path.join(context.dir, "disk.img")
    modules = MODULES + " " + command.split()[0]
    status, _ = context.command(["grub-mkstandalone", "-O", "x86_64-efi", "-o", loader, "--install-modules=" + modules,
                                 "--modules=" + modules, "--fonts=", "--themes=", "--locales=",
                                 "boot/grub/grub.cfg=" + os.path.join(work, "grub.cfg")])
    if status:
        raise Failure("grub-mkstandalone failed")
    emulib.make_uefi_disk(esp, image, loader)
    return image
