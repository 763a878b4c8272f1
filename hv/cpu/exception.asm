; SPDX-License-Identifier: MIT
; Interrupt and exception stubs: 256 entry points of 16 bytes each that all end in one C function with a
; struct exception_frame (hv/base/panic.h).
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
%if vector = 2
	jmp nmi_common
%elif vector = 18
	jmp mc_common
%else
	jmp exception_common
%endif
%assign vector vector + 1
%endrep

%macro push_registers 0
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
%endmacro

%macro pop_registers 0
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
%endmacro

exception_common:
	cld
	push_registers
	mov rdi, rsp
	mov rbp, rsp
	and rsp, -16
	call exception_handle
	mov rsp, rbp
	pop_registers
	add rsp, 16
	iretq

; An NMI comes where the registers are still, or again, the guest's, and its stack is the CPU's own: mapped whatever VM
; runs next. So C code, which pushes what it keeps, gets empty registers, and the ones pushed here are wiped. The
; interrupt stack is aligned, and nothing else runs on it before the IRETQ.
%macro handle_in_a_guests_registers 0
	cld
	push_registers
	mov rdi, rsp
	xor eax, eax
	xor ecx, ecx
	xor edx, edx
	xor ebx, ebx
	xor ebp, ebp
	xor esi, esi
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
	call exception_handle
	pop_registers
	add rsp, 16
%ifndef BREAK_nmi_leaves
%assign slot 1
%rep 15
	mov qword [rsp - 16 - 8 * slot], 0
%assign slot slot + 1
%endrep
%endif
%endmacro

nmi_common:
	handle_in_a_guests_registers
	iretq

; So does a machine check, in the middle of an NMI's handler too, where an IRET would let the next NMI in, onto the same
; stack: it returns without one. What it returns to has nothing below its stack pointer.
mc_common:
	handle_in_a_guests_registers
	mov [rsp - 8], rax
	mov [rsp - 16], rcx
	mov rax, [rsp + 24]	; the stack that it came from
	mov rcx, [rsp + 8]
	mov [rax - 8], rcx	; CS
	mov rcx, [rsp]
	mov [rax - 16], rcx	; RIP
	mov rcx, [rsp + 16]
	mov [rax - 24], rcx	; RFLAGS
	xor ecx, ecx
	xchg rcx, [rsp - 8]
	mov [rax - 32], rcx
	xor ecx, ecx
	xchg rcx, [rsp - 16]
	lea rsp, [rax - 32]
	pop rax
	popfq
	retfq

; void interrupt_unblock_nmi(void): what a handler's IRET would do, where an NMI ended a guest's run instead.
	global interrupt_unblock_nmi
interrupt_unblock_nmi:
	mov rax, rsp
	lea rcx, [.done]
	push qword 0x10
	push rax
	pushfq
	push qword 0x08
	push rcx
	iretq
.done:	ret

; void interrupts_wait(void). Where STI does not hold an NMI back, its IRET ends STI's shadow before the HLT, and the
; interrupt that is to end the wait would come too early: so an NMI that finds itself at the HLT goes behind it.
	global interrupts_wait
	global interrupts_wait_hlt
interrupts_wait:
	sti
interrupts_wait_hlt:
	hlt
	cli
	ret

; void percpu_load_tables(const void *gdtr, const void *idtr, uint16_t tss_selector)
	section .boot.text progbits alloc exec nowrite align=16
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
