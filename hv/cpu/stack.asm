; SPDX-License-Identifier: MIT
; What hv/cpu/stack.h leaves to assembly: a stack is zeroed, or left for good.
	bits 64
	default rel

	section .text

ROUND equ 128			; STACK_ROUND, hv/base/layout.h

; void stack_zero(uint64_t end): hv/cpu/stack.h. Sixteen bytes a store: each escalation pays for this. XMM0 goes onto the
; stack of the vCPU whose it is; on the CPU's idle one no guest's is loaded.
	global stack_zero
stack_zero:
	sub rsp, 24
	movups [rsp], xmm0
	xorps xmm0, xmm0
	mov rax, rsp
.round:
%assign offset 16
%rep ROUND / 16
	movups [rax - offset], xmm0
%assign offset offset + 16
%endrep
	sub rax, ROUND
	cmp rax, rdi
	ja .round
	movups xmm0, [rsp]
	xor eax, eax
	mov [rsp], rax
	mov [rsp + 8], rax
	mov [rsp + 16], rax	; what aligns it
	add rsp, 24
	xor ecx, ecx
	xor edx, edx
	xor esi, esi
	xor edi, edi
	xor r8d, r8d
	xor r9d, r9d
	xor r10d, r10d
	xor r11d, r11d
	ret

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
