; SPDX-License-Identifier: MIT
; The loader program (drivers/guest/loader) as constant data: hv/life/load.c copies it into a VM at each start.
	section .rodata align=16
	global loader_program:data hidden
	global loader_program_size:data hidden
loader_program:
	incbin "loader.bin"
end:
	align 8
loader_program_size:
	dq end - loader_program
