; SPDX-License-Identifier: MIT
; The way out of a guest and back in. HOST_RSP points just behind vcpu->regs[16] (hv/vm/vm.h), so the pushes fill
; the record of the vCPU itself, in its VM's window, and leave RSP = the vCPU. RBX, which C code keeps, is the
; CPU's gate from exit to entry.
	bits 64
	default rel

	extern vmx_exit
	extern vmx_exit_stunned
	extern vmx_entry_failed
	extern vmx_wait_at_gate
	extern vmx_begin_work
	extern rsb_fill
	extern bhb_clear

VCPU_CR2 equ 128
VCPU_GATE equ 136

	section .text

%macro restore_guest 0
	pop rax
	pop rcx
	pop rdx
	pop rbx
	pop rbp			; the stale RSP slot
	pop rbp
	pop rsi
	pop rdi
	pop r8
	pop r9
	pop r10
	pop r11
	pop r12
	pop r13
	pop r14
	pop r15
%endmacro

; model: out: mov dword [rbx], 0
%macro leave_guest 1
	push r15
	push r14
	push r13
	push r12
	push r11
	push r10
	push r9
	push r8
	push rdi
	push rsi
	push rbp
	push rbp
	push rbx
	push rdx
	push rcx
	push rax
	mov rbx, [rsp + VCPU_GATE]
	mov dword [rbx], 0	; out of the guest: what a stunning sibling waits for
	mov rax, cr2
	mov [rsp + VCPU_CR2], rax
	mov rdi, rsp
	call %1
%endmacro

; The same with the predictor's defence in front; the VMCS names the entry that the policy needs, so that choosing
; costs no branch here. regs[] is dead until the pushes below, so there is room for return addresses.
	align 64
	global vmx_exit_entry_rsb
vmx_exit_entry_rsb:
	call rsb_fill
	jmp vmx_exit_entry

	align 64
	global vmx_exit_entry_hardened
vmx_exit_entry_hardened:
	call rsb_fill
	global vmx_exit_entry_bhb
vmx_exit_entry_bhb:
	call bhb_clear
	jmp vmx_exit_entry

; And where every exit stuns the siblings first.
	align 64
	global vmx_exit_entry_stunned
vmx_exit_entry_stunned:
	leave_guest vmx_exit_stunned
	jmp vmx_exit_entry.gate

	align 64
	global vmx_exit_entry
; model: count: lock inc qword [rbx]; test: js .shut; enter: vmresume; wait: call vmx_wait_at_gate
vmx_exit_entry:
	leave_guest vmx_exit
.gate:	lock inc qword [rbx]	; in the guest, unless somebody holds the gate (hv/asi/stun.h)
	js .shut
.enter:	restore_guest
	vmresume
	jmp entry_failed
.shut:	mov rdi, rsp
	call vmx_wait_at_gate
	jmp .enter

; void vmx_begin(struct vcpu *): the first entry, the last thing that is done on the CPU's idle stack: from the vCPU's own
; that one can be zeroed as a whole. Full map; vmx_begin_work() loads the one that the guest's exits land in. Does not return.
	global vmx_begin
vmx_begin:
	mov rsp, rdi
	call vmx_begin_work
	global vmx_launch
; model: count: lock inc qword [rbx]; test: js .shut; enter: vmlaunch; wait: call vmx_wait_at_gate
vmx_launch:
	mov rbx, [rsp + VCPU_GATE]
.gate:	lock inc qword [rbx]
	js .shut
.enter:	mov rax, [rsp + VCPU_CR2]
	mov cr2, rax
	restore_guest
	vmlaunch
	jmp entry_failed
.shut:	mov rdi, rsp
	call vmx_wait_at_gate
	jmp .enter

entry_failed:
	; RSP stands behind regs[] again.
	sub rsp, 128
	mov rdi, rsp
	call vmx_entry_failed
	ud2
