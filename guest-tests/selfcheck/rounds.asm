; SPDX-License-Identifier: MIT
; Part of selfcheck.asm: a hypervisor that answers each exit by VMRESUME and nothing else, ROUNDS times between two keys, as
; guest-tests/guests/rounds.c does in a guest. Its end goes to QEMU's isa-debug-exit.

EXIT_PORT equ 0xf4

rounds:
	mov edi, text_nothing
	call wait_for_key
	mov edi, text_bare
	call wait_for_key
	mov eax, 0x681e
	mov edx, exit_for_ever
	vmwrite rax, rdx
	mov eax, 0x6c16
	mov edx, round
	vmwrite rax, rdx
	mov eax, 0x6c14
	vmwrite rax, rsp
	rdtsc
	shl rdx, 32
	lea r14, [rax + rdx]
	mov r15d, ROUNDS
round:
	dec r15d
	js .done
	vmresume
	mov esi, text_entry
	jmp failed
.done:
	rdtsc
	shl rdx, 32
	add rax, rdx
	sub rax, r14
	mov edi, number_end
	mov ecx, 10
.digit:
	xor edx, edx
	div rcx
	add dl, '0'
	dec edi
	mov [rdi], dl
	test rax, rax
	jnz .digit
	call print
	mov edi, text_end_of_rounds
	call wait_for_key
	xor eax, eax
	mov edx, EXIT_PORT
	out dx, al
	jmp stop

exit_for_ever:
	cpuid

; Prints what is at EDI; a look at the UART is an exit for an outer hypervisor, so they are rare.
wait_for_key:
	call print
.look:
	mov ecx, 2000000
.wait:
	dec ecx
	jnz .wait
	mov edx, COM1 + 5
	in al, dx
	test al, 1
	jz .look
	mov edx, COM1
	in al, dx
	ret

text_nothing: db "ready for nothing", 13, 10, 0
text_bare: db "ready for bare", 13, 10, 0
	times 20 db 0
number_end: db " ticks", 13, 10, 0
text_end_of_rounds: db "ready for end", 13, 10, 0
