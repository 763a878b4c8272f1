; SPDX-License-Identifier: MIT
; The hypervisor's ELF file as data of the loader.
	section .rodata align=16
	global hv_elf_start:data hidden
	global hv_elf_end:data hidden
hv_elf_start:
	incbin "cloister.stripped"
hv_elf_end:
