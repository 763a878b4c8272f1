// SPDX-License-Identifier: MIT
/* Page tables that lead to devices and nowhere, and what other cores do to them meanwhile. */
#include "guest-tests/guests/fuzz/fuzz.h"

#define LARGE 0x80ULL

static uint64_t *table(const struct core *core, unsigned level)
{
	return (uint64_t *)(core->share + ARENA_TABLES + 0x1000UL * level);
}

/* What the code runs on stays: the image, and the first part of the arena. */
static void begin_tables(const struct core *core)
{
	uint64_t *pml4 = table(core, 0), *pdpt = table(core, 1), *pd = table(core, 2),
		 *pt = table(core, 3);
	uint64_t all = PTE_P | PTE_W | PTE_U;

	pml4[0] = (uint64_t)pdpt | all;
	pdpt[0] = (uint64_t)pd | all;
	for (unsigned i = 1; i < 4; i++)
		pdpt[i] = core->pdpt[i];
	for (unsigned i = 0; i < 4; i++)
		pd[i] = core->pd[0][i];
	pd[4] = (uint64_t)pt | all;
}

static void spoil_tables(struct core *core, const struct core *whose)
{
	for (unsigned i = 1 + pick(core, 8); i; i--) {
		unsigned level = pick(core, 4);
		/* The entries behind those that the code needs; rarely those too. */
		unsigned first = level == 2 ? 4 : level != 3;
		unsigned index =
			once_in(core, 2) ? first + pick(core, 4) : first + pick(core, 512 - first);

		if (once_in(core, 20000))
			index = pick(core, first + 1);
		table(whose, level)[index] = random_entry(core, level == 3);
	}
}

void step_paging(struct core *core)
{
	begin_tables(core);
	spoil_tables(core, core);
	core->tables = (uint64_t)table(core, 0);
	step_code(core);
}

/* Another core's code, tables and rings change under it. */
void step_scribble(struct core *core)
{
	struct core *whose = &cores[pick(core, core_count)];

	if (once_in(core, 2)) {
		spoil_tables(core, whose);
		return;
	}
	for (unsigned i = 1 + pick(core, 64); i; i--)
		*(volatile uint64_t *)(whose->share + ARENA_CODE + (pick(core, ARENA_DATA) & ~7U)) =
			random64(core);
}
