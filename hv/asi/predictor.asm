; SPDX-License-Identifier: MIT
; What a guest left in the branch predictor is made useless: the return stack buffer and the branch history. Both run
; in either map, take no argument and change no register but RFLAGS, so that vmx/exit/entry.asm may call them first of all.
	bits 64
	default rel

	section .text

; void rsb_fill(void): 32 calls whose return addresses lead into INT3, twice the largest return stack buffer of the
; CPUs without enhanced IBRS. The LFENCE keeps the next RET from being predicted by what lay there before.
	align 64
	global rsb_fill
rsb_fill:
%rep 32
	call $ + 6		; over the INT3
	int3
%endrep
	add rsp, 32 * 8
	lfence
	ret

; void bhb_clear(void): taken branches enough to push out all that is in the history, in the shape and number that
; Intel gives for the longest history (Branch History Injection, software sequence): 12 nested calls with 7 jumps each.
	align 64
	global bhb_clear
bhb_clear:
	push rax
	push rcx
	mov ecx, 12
	call .outer
	lfence
	pop rcx
	pop rax
	ret

	align 64
.outer:
	call .inner
	ret

	align 64
.inner:
	mov eax, 7
.loop:
	jmp .count
	nop
.count:
	dec eax
	jnz .loop
	dec ecx
	jnz .outer
	ret
