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

; void cpu_switch_stack(void *top, void (*function)(void)): leaves the current stack for good. Behind an exit any register
; may still hold what the guest left there, and the new stack is the CPU's own, mapped whatever VM runs next: calls and
; interrupts push nothing of it there.
	global cpu_switch_stack
cpu_switch_stack:
	mov rsp, rdi
	xor ebp, ebp
%ifndef BREAK_skip_scrub
	xor eax, eax
	xor ebx, ebx
	xor ecx, ecx
	xor edx, edx
	xor edi, edi
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
%endif
	call rsi
	ud2
