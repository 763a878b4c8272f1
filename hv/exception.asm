; SPDX-License-Identifier: MIT
; Interrupt and exception stubs: 256 entry points of 16 bytes each that all end in one C function with a
; struct exception_frame (hv/panic.h).
	bits 64
	default rel

	extern exception_handle

	section .text

	align 16
	global exception_stubs
exception_stubs:
%assign vector 0
%rep 256
	align 16
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21 || vector = 29 || vector = 30
	; the processor has pushed an error code
%else
	push qword 0
%endif
	push qword vector
	jmp exception_common
%assign vector vector + 1
%endrep

exception_common:
	cld
	push rax
	push rcx
	push rdx
	push rbx
	push rbp
	push rsi
	push rdi
	push r8
	push r9
	push r10
	push r11
	push r12
	push r13
	push r14
	push r15
	mov rdi, rsp
	mov rbp, rsp
	and rsp, -16
	call exception_handle
	mov rsp, rbp
	pop r15
	pop r14
	pop r13
	pop r12
	pop r11
	pop r10
	pop r9
	pop r8
	pop rdi
	pop rsi
	pop rbp
	pop rbx
	pop rdx
	pop rcx
	pop rax
	add rsp, 16
	iretq

; void percpu_load_tables(const void *gdtr, const void *idtr, uint16_t tss_selector)
	global percpu_load_tables
percpu_load_tables:
	lgdt [rdi]
	lidt [rsi]
	mov eax, 0x10
	mov ds, eax
	mov es, eax
	mov ss, eax
	xor eax, eax
	mov fs, eax
	mov gs, eax
	ltr dx
	pop rax			; reload CS by a far return to the caller
	push qword 0x08
	push rax
	retfq
