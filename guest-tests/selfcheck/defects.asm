; SPDX-License-Identifier: MIT
; Part of selfcheck.asm: a check for each defect of Bochs 3.0 that tools/bochs-correct mends, under the name that it has there.

EXIT_INTERRUPT equ 1
EXIT_HLT equ 12
EXIT_VMCALL equ 18
EXIT_EPT_VIOLATION equ 48

TIMER_VECTOR equ 0x50
VIRTUAL_VECTOR equ 0x60
GATES equ VIRTUAL_VECTOR + 1
INVALID_OPCODE equ 6
MACHINE_CHECK equ 18
IF equ 0x200

look_for_defects:
	; x2APIC mode, the APIC on, its timer by TSC deadline.
	mov ecx, 0x1b
	rdmsr
	or eax, 0xc00
	wrmsr
	mov ecx, 0x80f
	mov eax, 0x1ff
	xor edx, edx
	wrmsr
	mov ecx, 0x832
	mov eax, 0x40000 | TIMER_VECTOR
	wrmsr
	mov edi, INVALID_OPCODE
	mov eax, invalid_opcode
	call set_gate
	mov edi, VIRTUAL_VECTOR
	mov eax, virtual_interrupt
	call set_gate

	call machine_checks
	mov ecx, 0x1d9		; whether the register is known is seen in the emulator's log
	rdmsr
	call deaf_guest
	call masked_virtual_interrupt
	call foreign_vectoring
	call second_cpu
	cmp dword [counter], 0
	je .one
	call stale_rip
	call shadow_ends
	call glued_instructions
.one:
	ret

; SDM 15.10.1: an abort, here at the instruction behind the one that asks the emulator for it.
machine_checks:
	lidt [host_idtr]
	mov edi, MACHINE_CHECK
	mov eax, .handler
	call set_gate
	mov rax, cr4
	or eax, 0x40
	mov cr4, rax
	xor eax, eax
	mov edx, 0x8904
	out dx, al
	nop
	nop
	mov esi, text_machine_checks
	jmp defect
.handler:
	add rsp, 40
	ret

; ESI: what was found.
defect:
	inc dword [defects]
	mov edi, text_defect
	call print
	mov edi, esi
	call print
	mov edi, text_newline
	jmp print

; Gate EDI leads to EAX, in the guest and here.
set_gate:
	shl edi, 4
	mov [idt + rdi], ax
	mov dword [idt + rdi + 2], 8
	mov byte [idt + rdi + 5], 0x8e
	shr eax, 16
	mov [idt + rdi + 6], ax
	ret

; The timer's interrupt comes in EDI ticks.
arm_timer:
	rdtsc
	shl rdx, 32
	or rax, rdx
	add rax, rdi
	mov rdx, rax
	shr rdx, 32
	mov ecx, 0x6e0
	wrmsr
	ret

; Takes the timer's interrupt, which comes for sure, whatever the emulator thinks of a guest's flag.
take_interrupt:
	mov edi, spin_open
	mov esi, 2
	call vm_enter
	cmp eax, EXIT_INTERRUPT
	jne take_interrupt
end_of_interrupt:
	mov ecx, 0x80b
	xor eax, eax
	xor edx, edx
	wrmsr
	ret

spin_open:
	sti
	mov ecx, 1000
.loop:
	dec ecx
	jnz .loop
	vmcall

; SDM 26.2: where external interrupts exit, RFLAGS.IF of the guest holds none back.
deaf_guest:
	mov edi, 3000
	call arm_timer
	mov edi, spin_shut
	mov esi, 2
	call vm_enter
	cmp eax, EXIT_INTERRUPT
	je end_of_interrupt
	mov esi, text_deaf
	call defect
	jmp take_interrupt

spin_shut:
	mov ecx, 20000
.loop:
	dec ecx
	jnz .loop
	vmcall

; SDM 30.2.2: a virtual interrupt waits for RFLAGS.IF, whatever else arrives. The guest clears the flag by itself, and opens
; the way for the interrupt by lowering its TPR then.
masked_virtual_interrupt:
	mov ecx, 0x48b
	rdmsr
	bt edx, 9
	jnc .done		; no virtual-interrupt delivery
	mov edi, 0xf0
	call request_virtual_interrupt
	mov edi, 3000
	call arm_timer
	mov edi, lower_tpr
	mov esi, 2 | IF
	call vm_enter
	mov r15d, eax
	mov eax, 0x0810
	vmread r14, rax
	call end_virtual_interrupts
	cmp r14d, VIRTUAL_VECTOR	; it still waits
	je .good
	mov esi, text_virtual
	call defect
.good:
	cmp r15d, EXIT_INTERRUPT
	je end_of_interrupt
	jmp take_interrupt
.done:
	ret

lower_tpr:
	cli
	mov ecx, 0x808
	xor eax, eax
	xor edx, edx
	wrmsr
	jmp spin_shut
virtual_interrupt:
	vmcall

; The guest's next entry has virtual interrupts, with a TPR of EDI, and one waits.
request_virtual_interrupt:
	mov [VIRTUAL_APIC + 0x80], edi
	mov dword [VIRTUAL_APIC + 0x200 + VIRTUAL_VECTOR / 32 * 16], 1 << VIRTUAL_VECTOR % 32
	mov edi, controls_virtual
.next:
	call control
	add edi, 12
	cmp edi, controls_virtual_end
	jb .next
	mov eax, 0x2012
	mov edx, VIRTUAL_APIC
	vmwrite rax, rdx
	mov eax, 0x2004
	mov edx, MSR_BITMAP
	vmwrite rax, rdx
	mov eax, 0x0810
	mov edx, VIRTUAL_VECTOR
	vmwrite rax, rdx
	ret

end_virtual_interrupts:
	mov edi, controls
.next:
	call control
	add edi, 12
	cmp edi, controls_end
	jb .next
	ret

; SDM 28.2.4, 30.2.2: an exit during a virtual interrupt's delivery, here since the stack is not in the EPT, tells of that
; interrupt, not of what the processor delivered before.
foreign_vectoring:
	mov ecx, 0x48b
	rdmsr
	bt edx, 9
	jnc .done
	mov qword [EPT_TABLES + 0x2000 + 8], 0
	xor edi, edi
	call request_virtual_interrupt
	mov edi, lose_stack
	mov esi, 2
	call vm_enter
	mov r15d, eax
	mov eax, 0x4408
	vmread r14, rax
	call end_virtual_interrupts
	cmp r15d, EXIT_EPT_VIOLATION
	jne .bad
	mov eax, 1 << 31 | VIRTUAL_VECTOR
	cmp r14d, eax
	je .done
.bad:
	mov esi, text_vectoring
	jmp defect
.done:
	ret

lose_stack:
	mov esp, 3 << 20
	sti
	nop
	vmcall

; The second CPU, if there is one, counts from now on, an instruction each; while it is told to, it raises exceptions instead.
second_cpu:
	mov esi, startup
	mov edi, STARTUP_PAGE
	mov ecx, startup_end - startup
	rep movsb
	mov ecx, 0x830
	xor edx, edx
	mov eax, 0xc4500	; INIT to all others
	wrmsr
	mov eax, 0xc4600 | STARTUP_PAGE >> 12
	wrmsr
	mov ecx, 100000
.wait:
	dec ecx
	jnz .wait
	ret

	bits 16
startup:
	xor ax, ax
	mov ds, ax
	mov ss, ax
	mov sp, STARTUP_STACK
	mov word [INVALID_OPCODE * 4], .invalid_opcode - startup
	mov [INVALID_OPCODE * 4 + 2], cs
.count:
	times 500 inc dword [counter]
.raise:
	cmp byte [raising], 0
	je .count
	ud2
	jmp .raise
.invalid_opcode:
	push bp
	mov bp, sp
	add word [bp + 2], 2
	pop bp
	iret
startup_end:
	bits 64

; SDM 28.3.3: the RIP that is saved is that of the next instruction, which is the handler's first right behind an exception.
stale_rip:
	mov r15d, 1000
.next:
	mov edi, r15d
	call arm_timer
	mov edi, raise
	mov esi, 2 | IF
	call vm_enter
	cmp eax, EXIT_INTERRUPT
	jne .late
	call end_of_interrupt
	mov eax, 0x681c
	vmread rax, rax
	cmp eax, GUEST_STACK
	je .good		; not in the handler
	mov eax, 0x681e
	vmread rax, rax
	cmp eax, raise_end
	jae .good
	mov esi, text_stale
	jmp defect
.late:
	call take_interrupt
.good:
	dec r15d
	jnz .next
	ret

raise:
	mov ecx, 100
.loop:
	ud2
	dec ecx
	jnz .loop
	vmcall
raise_end:
invalid_opcode:
	add qword [rsp], 2
	iretq

; SDM 6.8.3, 25.2: behind an STI that sets RFLAGS.IF the window for interrupts opens only when the next instruction is over, here an
; HLT, which exits. What other CPUs do changes nothing.
shadow_ends:
	mov byte [raising], 1
	mov edi, control_window
	call control
	mov r15d, 3000
.next:
	mov edi, open_and_halt
	mov esi, 2
	call vm_enter
	cmp eax, EXIT_HLT
	jne .early
	dec r15d
	jnz .next
	jmp .done
.early:
	mov esi, text_shadow
	call defect
.done:
	mov edi, controls + 12
	call control
	mov byte [raising], 0
	mov ecx, 10000
.wait:
	dec ecx			; until the second CPU counts again
	jnz .wait
	ret

open_and_halt:
	sti
	hlt

; With quantum=1 the second CPU counts between any two instructions here, but where it jumps back. What begins at the second of
; them is known when the first one is met.
glued_instructions:
	call read_counter.second
	mov r15d, 100
	xor r14d, r14d
.next:
	call read_counter
	cmp eax, ebx
	jne .apart
	inc r14d
.apart:
	dec r15d
	jnz .next
	cmp r14d, 50
	jb .good
	mov esi, text_glued
	jmp defect
.good:
	ret

	align 64
read_counter:
	mov eax, [counter]
.second:
	mov ebx, [counter]
	ret

text_defect: db "selfcheck: defect: ", 0
text_newline: db 13, 10, 0
text_deaf: db "deaf guest", 0
text_virtual: db "masked virtual interrupt", 0
text_vectoring: db "foreign vectoring", 0
text_stale: db "stale RIP", 0
text_shadow: db "early end of STI's shadow", 0
text_machine_checks: db "no machine checks", 0
text_glued: db "glued instructions", 0

	align 8
host_idtr:
	dw GATES * 16 - 1
	dq idt
	align 8
counter: dd 0
raising: db 0
	align 8
controls_virtual:
	dd 0x482, 0x4002, 0x90200080	; TPR shadow, MSR bitmap
	dd 0x48b, 0x401e, 0x312		; x2APIC mode, APIC registers, virtual-interrupt delivery
controls_virtual_end:
control_window:
	dd 0x482, 0x4002, 0x80000084	; an exit as soon as interrupts can be taken
idt: times GATES * 16 db 0
