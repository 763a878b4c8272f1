; SPDX-License-Identifier: MIT
; The image's entry point: both loaders jump here (boot/boot_info.h states the contract).
	bits 64
	default rel

	extern hv_main
	extern boot_stack_top

	section .text

	global hv_entry
hv_entry:
	cli
	cld
	mov rsp, boot_stack_top
	xor ebp, ebp
	call hv_main
	ud2			; hv_main never returns
