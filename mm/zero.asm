; SPDX-License-Identifier: MIT
; void zero_pages(void *ptr, uint64_t size): mm/zero.h. 16-byte non-temporal stores, a page a round:
; 259 instructions, which is what guest RAM costs at start.
	bits 64
	default rel

	section .text

	global zero_pages
zero_pages:
	sub rsp, 24
	movups [rsp], xmm0
	xorps xmm0, xmm0
	add rsi, rdi		; the end
.round:
%assign offset 0
%rep 256
	movntdq [rdi + offset], xmm0
%assign offset offset + 16
%endrep
	add rdi, 4096
	cmp rdi, rsi
	jb .round
	sfence
	movups xmm0, [rsp]
	add rsp, 24
	ret
