/* unit-sources: mm/space.c mm/space_check.c mm/pgtable.c mm/frames.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* The audit: every violation that it knows is planted, and must be found and named. */
#include "guest-tests/unit/fake_space.h"

/* Each planted violation must be found, and named. */
static void plant(uint64_t va, hpa_t restricted, unsigned prot_restricted, hpa_t full,
		  unsigned prot_full, const char *expected)
{
	const char *what = NULL;

	CHECK(pgtable_map(&pairs[0].restricted, va, restricted, PAGE_SIZE, prot_restricted) == 0);
	if (!hpa_is_none(full))
		pgtable_map(&pairs[0].full, va, full, PAGE_SIZE, prot_full);
	CHECK(check(0, &what) > 0);
	CHECK(what && strstr(what, expected));
	if (what && !strstr(what, expected))
		printf("expected %s, got %s\n", expected, what);
}

/* Both rules know it: the frame may not be seen, so its bytes are counted as sensitive. */
static void plant_sensitive(uint64_t va, hpa_t hpa, unsigned prot, const char *expected)
{
	const char *what = NULL;

	CHECK(audit_cpu(0, &what).sensitive_bytes == 0);
	plant(va, hpa, prot, HPA_NONE, 0, expected);
	CHECK(audit_cpu(0, &what).sensitive_bytes == PAGE_SIZE);
	CHECK(found.va == va && found.hpa.v == hpa.v && found.cpu == 0);
}

TEST(a_sensitive_frame_in_restricted_is_found)
{
	start();
	plant_sensitive(CPU_BASE + MIB(1), frames_alloc(0, MEM_SENSITIVE, PURPOSE_OTHER), PG_WRITE,
			"a sensitive frame");
}

TEST(a_page_table_in_restricted_is_found)
{
	start();
	plant_sensitive(CPU_BASE + MIB(1), pairs[0].restricted.root, 0, "a page table");
	start();
	plant_sensitive(GLOBAL_BASE + GIB(1), pairs[1].full.root, 0, "a page table");
	start();
	create_window(1);
	plant_sensitive(CPU_BASE + MIB(1), windows[1].table.root, PG_WRITE, "a page table");
}

TEST(the_frame_table_in_restricted_is_found)
{
	hpa_t hpa = HPA(MIB(1));

	start();
	while (frames_owner(hpa) != PURPOSE_FRAME_TABLE || frames_class(hpa) != MEM_SENSITIVE)
		hpa.v += PAGE_SIZE;
	plant_sensitive(CPU_BASE + MIB(1), hpa, PG_WRITE, "a sensitive frame");
}

TEST(a_frame_that_is_no_table_used_as_one_is_found)
{
	const char *what = NULL;

	start();
	pgtable_slot_set(&pairs[0].full, 400, frames_alloc(0, MEM_CPU, 0));
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "used as a page table"));
	start();
	pgtable_slot_set(&pairs[0].restricted, 400, frames_alloc(0, MEM_GLOBAL, REASON_TOPOLOGY));
	CHECK(check(0, &what) == 1);
	start();
	create_window(2);
	pgtable_slot_set(&windows[2].table, 3, frames_alloc(0, MEM_SENSITIVE, PURPOSE_OTHER));
	CHECK(audit_window(2, &what).violations == 1);
}

/* Entries that map nothing, but have an address: what L1TF would read. */
TEST(an_absent_entry_that_names_memory_is_found)
{
	hpa_t victim, tables[3];

	for (unsigned i = 0; i < 3; i++) {
		const char *what = NULL;
		uint64_t *entries;

		start();
		create_window(1);
		space_window_set(&pairs[0], &windows[1]);
		current_vm[0] = 1;
		victim = chunks[1];
		tables[0] = pairs[0].restricted.root;
		tables[1] = pairs[0].full.root;
		CHECK(pgtable_slot_create(&windows[1].table, PML4_SLOT(WINDOW_BASE), &tables[2]) ==
		      0);
		entries = hpa_to_ptr(tables[i]);
		entries[300] = 0x8a2; /* software bits alone name frame 0 */
		CHECK(check(0, &what) == 0);
		entries[300] = victim.v | 0x8a2; /* all that a leaf has but "present" */
		CHECK(check(0, &what) > 0);
		CHECK(what && strstr(what, "not present"));
		CHECK(found.hpa.v == victim.v && found.cpu == 0);
		CHECK(audit_window(1, &what).violations == (i == 2));
	}
}

TEST(an_absent_ept_entry_that_names_memory_is_found)
{
	const char *what = NULL;
	struct space_audit audit = { .report = keep_report, .context = &what };
	struct pgtable ept;
	uint64_t *entries;
	hpa_t chunk;

	start();
	CHECK(pgtable_create(&ept, PG_EPT, 2) == 0);
	chunk = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1);
	CHECK(pgtable_map(&ept, 0, chunk, PAGE_SIZE_2M - PAGE_SIZE, PG_WRITE | PG_EXEC) == 0);
	space_audit_ept(&audit, &ept, 1);
	CHECK(audit.violations == 0);
	entries = hpa_to_ptr(ept.root);
	entries[7] = chunk.v | 0x32; /* writable, not readable: the processor refuses it as well */
	space_audit_ept(&audit, &ept, 1);
	CHECK(audit.violations == 1);
	CHECK(what && strstr(what, "not present") && found.vm_id == 1);
}

/* CVE-2018-12207: where the CPU has it, a guest executes from small pages only. */
TEST(a_large_executable_page_is_found)
{
	const char *what = NULL;
	struct space_audit audit = { .report = keep_report, .context = &what };
	struct pgtable ept;

	start();
	CHECK(pgtable_create(&ept, PG_EPT, 2) == 0);
	CHECK(pgtable_map(&ept, MIB(2), frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1), PAGE_SIZE_2M,
			  PG_WRITE | PG_EXEC) == 0);
	space_audit_ept(&audit, &ept, 1);
	CHECK(audit.violations == 0);
	ept.max_exec_level = 1;
	space_audit_ept(&audit, &ept, 1);
	CHECK(audit.violations == 1 && what && strstr(what, "iTLB multihit"));
	CHECK(found.va == MIB(2) && found.vm_id == 1);
	CHECK(pgtable_split(&ept, MIB(2), PG_WRITE | PG_EXEC,
			    frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE)) == 0);
	audit.violations = 0;
	space_audit_ept(&audit, &ept, 1);
	CHECK(audit.violations == 0);
}

/* That they all name frame 0 is harmless as long as nobody has it. */
TEST(frame_0_in_use_is_found)
{
	const char *what = NULL;

	start();
	CHECK(frames_class(HPA(0)) == MEM_NONE);
	fake_memory_reset();
	fake_range(0, PAGE_SIZE, BOOT_RANGE_FILE);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(space_init(&fake_boot, &image, false) == 0);
	CHECK(space_pair_create(&pairs[0], 0) == 0);
	current_vm[0] = -1;
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "in use"));
}

TEST(a_free_frame_in_restricted_is_found)
{
	hpa_t hpa;

	start();
	hpa = frames_alloc(0, MEM_CPU, 0);
	frames_free(hpa, 0);
	/* Not by way of plant(): the tables for it would take the very frame. */
	CHECK(pgtable_map(&pairs[0].restricted, CPU_BASE + MIB(1), frames_alloc(0, MEM_CPU, 0),
			  PAGE_SIZE, PG_WRITE) == 0);
	hpa = frames_alloc(0, MEM_CPU, 0);
	frames_free(hpa, 0);
	plant_sensitive(CPU_BASE + MIB(1) + PAGE_SIZE, hpa, PG_WRITE, "a free frame");
}

TEST(another_cpus_frame_is_found)
{
	start();
	plant_sensitive(CPU_BASE + MIB(1), frames_alloc(0, MEM_CPU, 1), PG_WRITE,
			"a frame of another CPU");
}

TEST(another_vms_frame_is_found)
{
	start();
	create_window(1);
	space_window_set(&pairs[0], &windows[1]);
	current_vm[0] = 1;
	plant_sensitive(VM_PRIV_BASE + MIB(8), frames_alloc(0, MEM_VM, 2), PG_WRITE,
			"a frame of another VM");
	CHECK(found.vm_id == 1);
}

/* Wherever the alias is, and whether or not another VM is current. */
TEST(an_alias_of_a_vms_frame_is_found)
{
	static const uint64_t places[] = { GLOBAL_BASE + GIB(1), GLOBAL_MMIO_BASE + GIB(1),
					   CPU_BASE + MIB(1), IMAGE_BASE + MIB(64), 0x400000 };

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(places); i++) {
		start();
		create_window(1);
		create_window(2);
		if (i % 2) {
			space_window_set(&pairs[0], &windows[1]);
			current_vm[0] = 1;
		}
		/* One page out of the middle of its memory. */
		plant_sensitive(places[i / 2], HPA(chunks[2].v + 77 * PAGE_SIZE), PG_WRITE,
				"a frame of another VM");
	}
}

TEST(an_alias_of_the_own_frame_in_the_wrong_place_is_found)
{
	start();
	create_window(1);
	space_window_set(&pairs[0], &windows[1]);
	current_vm[0] = 1;
	plant(GLOBAL_BASE + GIB(1), chunks[1], PG_WRITE, HPA_NONE, 0,
	      "not a frame of class global");
	start();
	plant(VM_PRIV_BASE, frames_alloc(0, MEM_CPU, 0), PG_WRITE, HPA_NONE, 0,
	      "not a frame of the current VM");
	start();
	plant(CPU_BASE + MIB(1), frames_alloc(0, MEM_GLOBAL, REASON_TOPOLOGY), PG_WRITE, HPA_NONE,
	      0, "not a frame of this CPU");
}

/* A large page, of which all but the last 4 KiB are what they should be. */
TEST(the_tail_of_a_large_page_is_found)
{
	const char *what = NULL;
	hpa_t chunk, wrong;

	start();
	create_window(1);
	space_window_set(&pairs[0], &windows[1]);
	current_vm[0] = 1;
	chunk = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1);
	wrong = HPA(chunk.v + PAGE_SIZE_2M - PAGE_SIZE);
	CHECK(space_window_map_ram(&windows[1], GPA(MIB(2)), chunk, PAGE_SIZE_2M) == 0);
	CHECK(check(0, &what) == 0);
	frames_free(wrong, 0);
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "a free frame"));
	CHECK(found.va == GUEST_BASE + MIB(4) - PAGE_SIZE && found.hpa.v == wrong.v);
	CHECK(audit_cpu(0, &what).sensitive_bytes == PAGE_SIZE);
	what = NULL;
	CHECK(audit_window(1, &what).violations == 1);
	CHECK(frames_alloc(0, MEM_VM, 3).v == wrong.v);
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "a frame of another VM"));
}

/* Restricted has a large page, full the same in small ones, and the last differs. */
TEST(a_large_page_is_compared_to_its_end)
{
	const char *what = NULL;
	hpa_t chunk;
	uint64_t va = VM_PRIV_BASE + GIB(1);

	start();
	pgtable_slot_set(&pairs[0].restricted, PML4_SLOT(WINDOW_BASE),
			 frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE));
	pgtable_slot_set(&pairs[0].full, PML4_SLOT(WINDOW_BASE),
			 frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE));
	current_vm[0] = 3;
	chunk = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 3);
	CHECK(pgtable_map(&pairs[0].restricted, va, chunk, PAGE_SIZE_2M, PG_WRITE) == 0);
	CHECK(pgtable_map(&pairs[0].full, va, chunk, PAGE_SIZE_2M - PAGE_SIZE, PG_WRITE) == 0);
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "absent from full"));
	CHECK(found.va == va + PAGE_SIZE_2M - PAGE_SIZE);
	CHECK(pgtable_map(&pairs[0].full, found.va, found.hpa, PAGE_SIZE, 0) == 0);
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "other attributes"));
}

TEST(a_bad_window_is_found_though_no_cpu_shows_it)
{
	const char *what = NULL;
	struct space_audit audit;

	start();
	create_window(2);
	CHECK(audit_window(2, &what).violations == 0);
	CHECK(pgtable_map(&windows[2].table, VM_PRIV_BASE + MIB(9), frames_alloc(0, MEM_VM, 1),
			  PAGE_SIZE, PG_WRITE) == 0);
	audit = audit_window(2, &what);
	CHECK(audit.violations == 1 && audit.sensitive_bytes == PAGE_SIZE);
	CHECK(what && strstr(what, "a frame of another VM"));
	CHECK(found.vm_id == 2 && found.cpu == SPACE_NOBODY);
	for (unsigned i = 0; i < CPUS; i++)
		CHECK(check(i, &what) == 0);
}

TEST(what_a_guest_may_not_reach_is_found_in_its_ept)
{
	struct space_audit audit = { .report = NULL };
	struct pgtable ept;
	hpa_t chunk;

	start();
	CHECK(pgtable_create(&ept, PG_EPT, 2) == 0);
	chunk = frames_alloc(FRAMES_MAX_ORDER, MEM_VM, 1);
	CHECK(pgtable_map(&ept, 0, chunk, PAGE_SIZE_2M, PG_WRITE | PG_EXEC) == 0);
	space_audit_ept(&audit, &ept, 1);
	CHECK(audit.violations == 0 && audit.pages == 512 && audit.sensitive_bytes == 0);
	/* Its own table, a frame of another VM, device registers, and one page that went back. */
	CHECK(pgtable_map(&ept, MIB(4), ept.root, PAGE_SIZE, PG_WRITE) == 0);
	CHECK(pgtable_map(&ept, MIB(5), frames_alloc(0, MEM_VM, 0), PAGE_SIZE, PG_WRITE) == 0);
	CHECK(pgtable_map(&ept, MIB(6), HPA(0xfee00000), PAGE_SIZE, PG_WRITE) == 0);
	frames_free(HPA(chunk.v + 5 * PAGE_SIZE), 0);
	space_audit_ept(&audit, &ept, 1);
	CHECK(audit.violations == 4 && audit.sensitive_bytes == 4 * PAGE_SIZE);
}

TEST(a_global_page_without_a_reason_is_found)
{
	const char *what = NULL;

	start();
	CHECK(space_global_alloc(PAGE_SIZE, REASON_COUNT));
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "no written reason"));
}

TEST(registers_that_may_be_cached_are_found)
{
	start();
	plant(GLOBAL_MMIO_BASE + GIB(1), HPA(0xfec00000), PG_WRITE, HPA_NONE, 0, "may be cached");
}

TEST(a_stale_window_is_found)
{
	const char *what = NULL;

	start();
	create_window(1);
	space_window_set(&pairs[0], &windows[1]); /* and current_vm[0] says: none */
	CHECK(check(0, &what) > 0);
}

TEST(sensitive_data_of_the_image_is_found)
{
	start();
	plant_sensitive(image.link_base + image.data_start, HPA(MIB(16) + image.data_start),
			PG_WRITE, "sensitive data of the image");
	/* An alias of it, where visible data belongs. */
	start();
	plant_sensitive(CPU_BASE + MIB(1), HPA(MIB(16) + image.data_start), PG_WRITE,
			"sensitive data of the image");
}

TEST(writable_code_is_found)
{
	start();
	plant(CPU_BASE + MIB(1), frames_alloc(0, MEM_CPU, 0), PG_WRITE | PG_EXEC, HPA_NONE, 0,
	      "writable and executable");
}

TEST(code_outside_the_image_is_found)
{
	start();
	plant(CPU_BASE + MIB(1), frames_alloc(0, MEM_CPU, 0), PG_EXEC, HPA_NONE, 0,
	      "executable outside the image");
}

TEST(a_writable_alias_of_code_is_found)
{
	const char *what = NULL;

	start();
	/* Only in full, where the image's frames were left out of the map of all memory. */
	CHECK(pgtable_map(&pairs[0].full, PHYSMAP_BASE + MIB(16), HPA(MIB(16)), PAGE_SIZE,
			  PG_WRITE) == 0);
	CHECK(check(0, &what) == 1);
	CHECK(what && strstr(what, "writable alias"));
}

TEST(a_sensitive_frame_among_the_global_ones_is_found)
{
	start();
	plant_sensitive(GLOBAL_BASE + GIB(1), frames_alloc(0, MEM_SENSITIVE, PURPOSE_VMX), PG_WRITE,
			"a sensitive frame");
}

static void clear_leaf(const struct pgtable *pt, uint64_t va)
{
	uint64_t *table = hpa_to_ptr(pt->root);

	for (unsigned shift = 39; shift > 12; shift -= 9)
		table = hpa_to_ptr(HPA(table[va >> shift & 511] & 0x000ffffffffff000ULL));
	table[va >> 12 & 511] = 0;
}

TEST(a_frame_in_place_of_code_is_found)
{
	hpa_t hpa;

	start();
	hpa = frames_alloc(0, MEM_GLOBAL, REASON_TEXT);
	clear_leaf(&pairs[0].restricted, image.link_base);
	clear_leaf(&pairs[0].full, image.link_base);
	plant(image.link_base, hpa, PG_EXEC, hpa, PG_EXEC, "not a frame of the image");
}

/* After the release: a page of it that is still shown, by either rule; its frame may be anybody's.
 */
TEST(a_page_of_the_boot_that_stays_is_found)
{
	const uint64_t at[] = { image.boot_text_start, image.boot_rodata_end - PAGE_SIZE,
				image.boot_data_start, image.boot_data_end - PAGE_SIZE };

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		uint64_t va = image.link_base + at[i];
		const char *what = NULL;

		start();
		CHECK(space_boot_unmap() == 0);
		CHECK(space_boot_free() > 0);
		CHECK(check(1, &what) == 0);
		CHECK(pgtable_map(&pairs[0].full, va, HPA(MIB(16) + at[i]), PAGE_SIZE, 0) == 0);
		/* The subtree is everybody's. */
		CHECK(check(1, &what) == 2);
		CHECK(found.va == va && found.hpa.v == MIB(16) + at[i]);
		CHECK(what && strstr(what, "not a frame of the image"));

		/* A frame of the image, at an address that has none. */
		start();
		CHECK(space_boot_unmap() == 0);
		CHECK(space_boot_free() > 0);
		CHECK(pgtable_map(&pairs[0].full, va, HPA(MIB(16) + image.data_start), PAGE_SIZE,
				  0) == 0);
		CHECK(check(2, &what) == 1);
		CHECK(what && strstr(what, "in no part of the image"));

		/* Code that was, and can be written now, is no alias of code. */
		start();
		CHECK(space_boot_unmap() == 0);
		CHECK(space_boot_free() > 0);
		CHECK(pgtable_map(&pairs[0].full, va, HPA(MIB(16) + at[i]), PAGE_SIZE, PG_EXEC) ==
		      0);
		CHECK(check(0, &what) == 3);
	}
}

TEST(the_boot_in_restricted_is_found)
{
	start();
	plant_sensitive(image.link_base + image.boot_data_start,
			HPA(MIB(16) + image.boot_data_start), PG_WRITE,
			"sensitive data of the image");
	start();
	plant_sensitive(image.link_base + image.boot_text_start,
			HPA(MIB(16) + image.boot_text_start), PG_EXEC,
			"sensitive data of the image");
}

TEST(memory_behind_device_addresses_is_found)
{
	start();
	plant(GLOBAL_MMIO_BASE + GIB(1), frames_alloc(0, MEM_GLOBAL, REASON_MMIO), PG_WRITE | PG_UC,
	      HPA_NONE, 0, "RAM where device registers belong");
}

TEST(an_address_outside_every_region_is_found)
{
	start();
	plant(0x400000, frames_alloc(0, MEM_GLOBAL, REASON_STATISTICS), 0, HPA_NONE, 0,
	      "outside every region");
	start();
	plant(PHYSMAP_BASE + KIB(700), HPA(KIB(700)), PG_WRITE, HPA_NONE, 0,
	      "outside every region");
}

TEST(a_page_that_full_lacks_is_found)
{
	const char *what = NULL;
	hpa_t own;

	start();
	/* A window of its own for restricted only. */
	own = frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE);
	pgtable_slot_set(&pairs[0].restricted, PML4_SLOT(WINDOW_BASE), own);
	current_vm[0] = 3;
	plant(VM_PRIV_BASE, frames_alloc(0, MEM_VM, 3), PG_WRITE, HPA_NONE, 0, "absent from full");
	(void)what;
}

TEST(a_page_that_full_translates_differently_is_found)
{
	start();
	pgtable_slot_set(&pairs[0].restricted, PML4_SLOT(WINDOW_BASE),
			 frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE));
	pgtable_slot_set(&pairs[0].full, PML4_SLOT(WINDOW_BASE),
			 frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE));
	current_vm[0] = 3;
	plant(VM_PRIV_BASE, frames_alloc(0, MEM_VM, 3), PG_WRITE, frames_alloc(0, MEM_VM, 3),
	      PG_WRITE, "differently");
}

TEST(other_attributes_in_full_are_found)
{
	hpa_t hpa;

	start();
	pgtable_slot_set(&pairs[0].restricted, PML4_SLOT(WINDOW_BASE),
			 frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE));
	pgtable_slot_set(&pairs[0].full, PML4_SLOT(WINDOW_BASE),
			 frames_alloc(0, MEM_SENSITIVE, PURPOSE_PAGE_TABLE));
	current_vm[0] = 3;
	hpa = frames_alloc(0, MEM_VM, 3);
	plant(VM_PRIV_BASE, hpa, PG_WRITE, hpa, 0, "other attributes");
}

/* All that the fake machine has, in pieces of @pause; returns how many they were. */
static unsigned audit_in_pieces(struct space_audit *audit, unsigned pause,
				const struct pgtable *ept)
{
	unsigned pieces = 0, step = 0;

	memset(audit, 0, sizeof(*audit));
	audit->pause_after = pause;
	while (step < CPUS + 2) {
		audit->spent = 0;
		if (step < CPUS)
			step += space_audit_pair(audit, &pairs[step], (uint16_t)step,
						 step < 2 ? 0 : SPACE_NOBODY);
		else if (step == CPUS)
			step += space_audit_window(audit, &windows[0]);
		else
			step += space_audit_ept(audit, ept, 1);
		pieces++;
	}
	return pieces;
}

TEST(an_audit_in_pieces_finds_the_same)
{
	struct space_audit whole, some;
	struct pgtable ept;
	hpa_t hpa;

	start();
	create_window(0);
	space_window_set(&pairs[0], &windows[0]);
	space_window_set(&pairs[1], &windows[0]);
	/* A large leaf that is another VM's from page to page, and pages of both between gaps. */
	hpa = frames_alloc(9, MEM_VM, 1);
	CHECK(pgtable_create(&ept, PG_EPT, 2) == 0);
	CHECK(pgtable_map(&ept, MIB(2), hpa, MIB(2), PG_WRITE | PG_EXEC) == 0);
	for (unsigned i = 0; i < 6; i++)
		CHECK(pgtable_map(&ept, GIB(i) + KIB(4) * i, frames_alloc(0, MEM_VM, i % 2),
				  PAGE_SIZE, 0) == 0);
	CHECK(audit_in_pieces(&whole, 0, &ept) == CPUS + 2);
	CHECK(whole.violations == 3);
	for (unsigned pause = 1; pause < 100; pause += pause < 8 ? 1 : 13) {
		CHECK(audit_in_pieces(&some, pause, &ept) > CPUS + 2);
		CHECK(some.violations == whole.violations);
		CHECK(some.pages == whole.pages);
		CHECK(some.sensitive_bytes == whole.sensitive_bytes);
		CHECK(memcmp(some.bytes, whole.bytes, sizeof(some.bytes)) == 0);
	}
}

TEST(bytes_are_accounted_by_reason)
{
	struct space_audit audit = { .report = NULL };
	const uint64_t *bytes = audit.bytes;

	start();
	create_window(0);
	space_window_set(&pairs[0], &windows[0]);
	CHECK(space_global_alloc(KIB(64), REASON_FLUSH_BUFFER));
	space_window_set(&pairs[1], &windows[0]);
	for (uint16_t i = 0; i < CPUS; i++)
		space_audit_pair(&audit, &pairs[i], i, i < 2 ? 0 : SPACE_NOBODY);
	space_audit_window(&audit, &windows[0]);
	CHECK(audit.violations == 0 && audit.sensitive_bytes == 0);
	CHECK(bytes[REASON_TEXT] == 0x10000);
	CHECK(bytes[REASON_RODATA] == 0x8000);
	CHECK(bytes[REASON_DATA_GLOBAL] == 0x1000);
	CHECK(bytes[REASON_FLUSH_BUFFER] == KIB(64));
	CHECK(bytes[REASON_GUEST_RAM] == PAGE_SIZE_2M);
	CHECK(bytes[REASON_VM_PRIVATE] == 11 * PAGE_SIZE);
	CHECK(bytes[REASON_CPU_LOCAL] == CPUS * 3 * PAGE_SIZE);
	/* Each CPU's view of what is shared, and the window three times. */
	CHECK(audit.pages == CPUS * (0x19 + 16 + 3) + 3 * (512 + 11));
}

UNIT_MAIN
