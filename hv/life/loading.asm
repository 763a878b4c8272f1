; SPDX-License-Identifier: MIT
; How a VM's kernel gets to the stack that it is loaded on, leaves it and comes back: hv/life/loading.c.
	bits 64
	default rel

	extern loading_main
	extern cpu_switch_stack

	section .text

; void loading_begin(void *top)
	global loading_begin
loading_begin:
	mov rsp, rdi
	xor ebp, ebp
	call loading_main
	ud2

; void loading_pause(uint64_t *sp, void *top, void (*function)(void)): returns when loading_resume() is called with what it leaves
; in *sp; until then @function goes on, on the stack that begins at @top.
	global loading_pause
loading_pause:
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
	mov [rdi], rsp
	mov rdi, rsi
	mov rsi, rdx
	jmp cpu_switch_stack

; void loading_resume(uint64_t sp)
	global loading_resume
loading_resume:
	mov rsp, rdi
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbp
	pop rbx
	ret
