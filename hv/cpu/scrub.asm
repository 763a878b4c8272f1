; SPDX-License-Identifier: MIT
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
