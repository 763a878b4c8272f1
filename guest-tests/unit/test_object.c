/* unit-sources: hv/asi/object.c mm/pgtable.c mm/frames.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/fake_memory.h"
#include "hv/asi/asi.h"
#include "hv/asi/object.h"
#include "hv/cpu/percpu.h"
#include "hv/base/symbols.h"
#include "hv/vm/vm.h"

struct cpu_record cpus[PERCPU_MAX];

/* One variable at the image's start. */
bool symbols_variable(uint64_t address, char *buf, size_t size)
{
	if (address != IMAGE_BASE)
		return false;
	snprintf(buf, size, "sensitive_word");
	return true;
}

static struct pgtable *full(void)
{
	return &cpus[2].pair.full;
}

static void start(void)
{
	fake_memory_reset();
	fake_range(MIB(48), PAGE_SIZE, BOOT_RANGE_FILE);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(pgtable_create(full(), PG_HOST, 2) == 0);
	CHECK(pgtable_map(full(), PHYSMAP_BASE, HPA(0), FAKE_MEMORY_SIZE, PG_WRITE) == 0);
}

static void expect(enum asi_cause cause, uint64_t address, const char *class, const char *name)
{
	struct escalation_site site = { .cause = cause, .address = address };
	char buf[64];

	object_identify(&site, 2);
	object_name(&site, buf, sizeof(buf));
	CHECK(!strcmp(object_class(&site), class));
	CHECK(!strcmp(buf, name));
	if (strcmp(buf, name))
		printf("%llx: got %s, want %s\n", (unsigned long long)address, buf, name);
}

static void expect_frame(hpa_t hpa, const char *name)
{
	expect(ASI_CAUSE_FAULT, PHYSMAP_BASE + hpa.v + 8, "physmap", name);
}

TEST(memory_is_named_by_class_and_owner)
{
	hpa_t chunk, page;

	start();
	chunk = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1);
	expect_frame(chunk, "vm 1 ram");
	expect_frame(HPA(chunk.v + PAGE_SIZE_2M - PAGE_SIZE), "vm 1 ram");
	expect_frame(frames_alloc(0, MEM_VM, 12), "vm 12 private");
	expect_frame(frames_alloc(0, MEM_CPU, 3), "cpu 3 private");
	expect_frame(frames_alloc(0, MEM_GLOBAL, REASON_TOPOLOGY), "global data");
	expect_frame(frames_alloc(0, MEM_SENSITIVE, PURPOSE_VMX), "vmx region");
	expect_frame(frames_alloc(0, MEM_SENSITIVE, PURPOSE_OTHER), "sensitive");
	expect_frame(full()->root, "page table");
	expect_frame(HPA(MIB(16)), "image");
	expect_frame(HPA(MIB(48)), "boot file");
	expect_frame(HPA(KIB(700)), "firmware's memory");
	page = frames_alloc(0, MEM_SENSITIVE, PURPOSE_OTHER);
	frames_free(page, 0);
	expect_frame(page, "free");
}

TEST(the_frame_table_is_named)
{
	uint64_t at = MIB(1);

	start();
	while (frames_class(HPA(at)) != MEM_SENSITIVE ||
	       frames_owner(HPA(at)) != PURPOSE_FRAME_TABLE)
		at += PAGE_SIZE;
	expect_frame(HPA(at), "frame table");
}

TEST(variables_and_devices_are_named)
{
	start();
	CHECK(pgtable_map(full(), IMAGE_BASE, HPA(MIB(16)), PAGE_SIZE, PG_WRITE) == 0);
	CHECK(pgtable_map(full(), FULL_MMIO_BASE, HPA(0xfec00000), PAGE_SIZE, PG_UC) == 0);
	expect(ASI_CAUSE_FAULT, IMAGE_BASE, "variable", "sensitive_word");
	expect(ASI_CAUSE_FAULT, IMAGE_BASE + 8, "variable", "image");
	expect(ASI_CAUSE_FAULT, FULL_MMIO_BASE + 0x10, "device", "registers at 0xfec00010");
	expect(ASI_CAUSE_FAULT, 0x1234, "unknown", "nothing that is mapped");
}

TEST(every_request_says_what_for)
{
	struct escalation_site site = { 0 };
	char buf[64];

	start();
	expect(ASI_CAUSE_POPULATE, 0, "request", "pool of frames");
	for (unsigned cause = ASI_CAUSE_FAULT + 1; cause < ASI_CAUSE_COUNT; cause++) {
		site.cause = cause;
		object_identify(&site, 2);
		object_name(&site, buf, sizeof(buf));
		CHECK(strlen(buf) > 3);
	}
}

UNIT_MAIN
