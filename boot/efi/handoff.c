// SPDX-License-Identifier: MIT
#include "boot/efi/loader.h"

#include "hv/base/asm.h"
#include "hv/base/layout.h"
#include "hv/base/string.h"

#define PRESENT_WRITE 3
#define LARGE BIT(7)
#define CR4_LA57 BIT(12)
#define ENTRIES 512

struct handoff {
	uint64_t root[ENTRIES];
	uint64_t low[ENTRIES];		   /* four directories, used at 0 and at PHYSMAP_BASE */
	uint64_t high[ENTRIES];		   /* the topmost 512 GiB */
	uint64_t directories[4][ENTRIES];  /* the first 4 GiB by 2 MiB pages */
	uint64_t image_directory[ENTRIES]; /* the 1 GiB that the image is linked in */
	uint8_t code[PAGE_SIZE];
};
static_assert(offsetof(struct handoff, code) % PAGE_SIZE == 0, "tables and code are whole pages");

/*
 * Loads the page tables in RDX and jumps to RSI with RDI, the record. It runs from a copy in struct
 * handoff, because the loader itself may lie above the 4 GiB that the new tables map.
 */
extern const uint8_t handoff_code[] __attribute__((visibility("hidden")));
extern const uint8_t handoff_code_end[] __attribute__((visibility("hidden")));
__asm__(".pushsection .text\n"
	".globl handoff_code, handoff_code_end\n"
	".hidden handoff_code, handoff_code_end\n"
	"handoff_code:\n"
	"	mov %rdx, %cr3\n"
	"	jmp *%rsi\n"
	"handoff_code_end:\n"
	".popsection\n");

uint64_t handoff_size(void)
{
	return sizeof(struct handoff);
}

struct handoff *handoff_prepare(const struct loader *loader, uint64_t image_base,
				uint64_t link_base, uint64_t size)
{
	struct handoff *h = memory_allocate(loader, sizeof(*h), true, EfiLoaderCode);
	uint64_t pages = ALIGN_UP(size, PAGE_SIZE_2M) / PAGE_SIZE_2M;
	uint64_t first = link_base / PAGE_SIZE_2M % ENTRIES;

	if (!h)
		loader_fail(loader, "no memory below 4 GiB for the page tables",
			    "give the machine more memory");
	if (read_cr4() & CR4_LA57)
		loader_fail(loader, "the firmware runs with 5-level paging",
			    "switch it off in the firmware's set-up");
	if (first + pages > ENTRIES)
		loader_fail(loader, "the hypervisor inside the loader is too large",
			    "copy BOOTX64.EFI again");
	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < ARRAY_SIZE(h->directories); i++) {
		h->low[i] = (uint64_t)h->directories[i] | PRESENT_WRITE;
		for (unsigned j = 0; j < ENTRIES; j++)
			h->directories[i][j] =
				(i * (uint64_t)ENTRIES + j) * PAGE_SIZE_2M | PRESENT_WRITE | LARGE;
	}
	for (uint64_t i = 0; i < pages; i++)
		h->image_directory[first + i] =
			(image_base + i * PAGE_SIZE_2M) | PRESENT_WRITE | LARGE;
	h->high[link_base / PAGE_SIZE_1G % ENTRIES] = (uint64_t)h->image_directory | PRESENT_WRITE;
	h->root[0] = (uint64_t)h->low | PRESENT_WRITE;
	h->root[PML4_SLOT(PHYSMAP_BASE)] = (uint64_t)h->low | PRESENT_WRITE;
	h->root[PML4_SLOT(link_base)] = (uint64_t)h->high | PRESENT_WRITE;
	memcpy(h->code, handoff_code, (uint64_t)handoff_code_end - (uint64_t)handoff_code);
	return h;
}

void handoff_jump(struct handoff *h, struct boot_info *bi, uint64_t entry)
{
	void (*code)(struct boot_info *, uint64_t, uint64_t *) =
		(void (*)(struct boot_info *, uint64_t, uint64_t *))h->code;

	interrupts_off();
	/* No translation of the firmware's may survive the switch as a global one. */
	write_cr4(read_cr4() & ~CR4_PGE);
	bi->tsc_handover = rdtsc();
	code(bi, entry, h->root);
	__builtin_unreachable();
}
