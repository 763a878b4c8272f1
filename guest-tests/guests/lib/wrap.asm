; SPDX-License-Identifier: MIT
; Runs the last two bytes of the 32-bit code segment, whose base is its caller's choice; what lies at its offset 0
; returns by a far return of 32 bits.
CODE64 equ 0x08
CODE32 equ 0x38

section .text
BITS 64
global cpuid_at_segment_end
cpuid_at_segment_end:
	push rbx
	sub rsp, 8
	mov dword [rsp], .back
	mov dword [rsp + 4], CODE64
	push CODE32
	mov eax, 0xfffffffe
	push rax
	retfq
.back:	pop rbx
	ret
