/* SPDX-License-Identifier: MIT */
/* Memory is another one at each look: other vCPUs write to it. */
#include "guest-tests/prove/platform.h"

void *vm_ram(struct vm *vm, gpa_t gpa, uint64_t len)
{
	any_bytes(ram, sizeof(ram));
	return gpa.v <= PROVE_RAM && len <= PROVE_RAM - gpa.v ? ram + gpa.v : NULL;
}

uint8_t *vm_ram_flat(struct vm *vm, uint64_t *size)
{
	*size = any8 ? PROVE_RAM : 0;
	return ram;
}
