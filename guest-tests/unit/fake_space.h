/* SPDX-License-Identifier: MIT */
/* Address spaces in the memory of fake_memory.h: the image, pairs of some CPUs, windows of some
 * VMs, and the audit of each. */
#ifndef FAKE_SPACE_H
#define FAKE_SPACE_H

#include "guest-tests/unit/fake_memory.h"
#include "mm/space.h"

#define CPUS 3
#define VMS 4

static struct space_pair pairs[CPUS];
static struct space_window windows[VMS];
static bool window_exists[VMS];
static int current_vm[CPUS];
static hpa_t chunks[VMS];

static const struct space_image image = {
	.link_base = IMAGE_BASE + MIB(16),
	.load_base = { MIB(16) },
	.text_start = 0,
	.text_end = 0x10000,
	.boot_text_start = 0x10000,
	.boot_text_end = 0x14000,
	.boot_rodata_start = 0x14000,
	.boot_rodata_end = 0x18000,
	.rodata_start = 0x18000,
	.rodata_end = 0x20000,
	.global_start = 0x20000,
	.global_end = 0x21000,
	.boot_data_start = 0x21000,
	.boot_data_end = 0x28000,
	.data_start = 0x28000,
	.data_end = 0x40000,
};

/* The last violation that was found. */
static struct space_violation found;

static void keep_report(const struct space_violation *violation, void *context)
{
	found = *violation;
	*(const char **)context = violation->what;
}

static inline struct space_audit audit_cpu(unsigned cpu, const char **what)
{
	struct space_audit audit = { .report = keep_report, .context = what };

	space_audit_pair(&audit, &pairs[cpu], (uint16_t)cpu,
			 current_vm[cpu] < 0 ? SPACE_NOBODY : (uint16_t)current_vm[cpu]);
	return audit;
}

static inline unsigned check(unsigned cpu, const char **what)
{
	return audit_cpu(cpu, what).violations;
}

static inline struct space_audit audit_window(unsigned vm, const char **what)
{
	struct space_audit audit = { .report = keep_report, .context = what };

	space_audit_window(&audit, &windows[vm]);
	return audit;
}

static inline void start(void)
{
	void *first;

	fake_memory_reset();
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(space_init(&fake_boot, &image, false) == 0);
	for (unsigned i = 0; i < CPUS; i++) {
		CHECK(space_pair_create(&pairs[i], (uint16_t)i) == 0);
		CHECK(space_cpu_alloc(&pairs[i], (uint16_t)i, CPU_BASE, 3, &first) == 0);
		current_vm[i] = -1;
	}
	memset(window_exists, 0, sizeof(window_exists));
}

static inline void create_window(unsigned vm)
{
	void *first;

	CHECK(space_window_create(&windows[vm], (uint16_t)vm) == 0);
	chunks[vm] = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, (uint16_t)vm);
	CHECK(!hpa_is_none(chunks[vm]));
	CHECK(space_window_map_ram(&windows[vm], GPA(0), chunks[vm], PAGE_SIZE_2M) == 0);
	CHECK(space_window_alloc(&windows[vm], VM_PRIV_BASE, 5, &first) == 0);
	CHECK(space_window_alloc(&windows[vm], VM_VCPU_BASE + KIB(40), 6, &first) == 0);
	window_exists[vm] = true;
}

static inline void destroy_window(unsigned vm)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		if (current_vm[cpu] == (int)vm) {
			space_window_set(&pairs[cpu], NULL);
			current_vm[cpu] = -1;
		}
	}
	space_window_destroy(&windows[vm], NULL);
	frames_free(chunks[vm], FRAMES_MAX_ORDER);
	window_exists[vm] = false;
}

#endif
