/* unit-sources: mm/space.c mm/space_check.c mm/pgtable.c mm/frames.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/* Files that several VMs read, in their windows: what the audit says of those that show too much.
 */
#include "guest-tests/unit/fake_space.h"
#include "hv/base/errno.h"

#define FILE_BASE MIB(40)

/* VM 1 has the first half of a file, which it may read; VM 2 has none of it; CPU 0 shows VM 1. */
static void start_with_file(void)
{
	void *first;

	fake_memory_reset();
	fake_range(FILE_BASE, MIB(4), BOOT_RANGE_FILE);
	CHECK(frames_init(&fake_boot) == 0);
	CHECK(space_init(&fake_boot, &image, false) == 0);
	CHECK(space_pair_create(&pairs[0], 0) == 0);
	CHECK(space_cpu_alloc(&pairs[0], 0, CPU_BASE, 3, &first) == 0);
	create_window(1);
	create_window(2);
	space_window_set(&pairs[0], &windows[1]);
	current_vm[0] = 1;
	CHECK(frames_claim(HPA(FILE_BASE), MIB(2), MEM_SHARED, BIT(1)) == 0);
}

static int show_file(unsigned vm, uint64_t va, uint64_t at, bool writable)
{
	return space_window_map_disk(&windows[vm], va, HPA(FILE_BASE + at), PAGE_SIZE, writable);
}

/* Window and CPU 0 both say @what of it, and count @sensitive bytes. */
static void expect_bad(unsigned vm, const char *expected, uint64_t sensitive)
{
	const char *what = NULL;
	struct space_audit audit = audit_window(vm, &what);

	CHECK(audit.violations == 1 && audit.sensitive_bytes == sensitive);
	CHECK(what && !strcmp(what, expected));
	CHECK(found.vm_id == vm && found.hpa.v >= FILE_BASE);
	what = NULL;
	space_window_set(&pairs[0], &windows[vm]);
	current_vm[0] = (int)vm;
	audit = audit_cpu(0, &what);
	CHECK(audit.violations == 1 && audit.sensitive_bytes == sensitive);
	CHECK(what && !strcmp(what, expected));
}

TEST(a_shared_file_may_be_read_by_those_it_belongs_to)
{
	const char *what = NULL;
	struct space_audit audit;

	start_with_file();
	CHECK(space_window_map_disk(&windows[1], VM_DISK_BASE, HPA(FILE_BASE), MIB(2), false) == 0);
	audit = audit_window(1, &what);
	CHECK(audit.violations == 0 && audit.bytes[REASON_DISK] == MIB(2));
	CHECK(check(0, &what) == 0);
	CHECK(frames_claim(HPA(FILE_BASE), MIB(2), MEM_SHARED, BIT(2)) == 0);
	CHECK(show_file(2, VM_DISK_BASE + VM_DISK_SPAN, 0, false) == 0);
	CHECK(audit_window(1, &what).violations == 0 && audit_window(2, &what).violations == 0);
	space_window_set(&pairs[0], NULL);
	current_vm[0] = -1;
	space_window_destroy(&windows[1], NULL); /* leaves the file alone */
	CHECK(frames_class(HPA(FILE_BASE)) == MEM_SHARED);
}

TEST(a_shared_file_of_others_is_found)
{
	start_with_file();
	CHECK(show_file(2, VM_DISK_BASE, PAGE_SIZE, false) == 0);
	expect_bad(2, "a file that other VMs may read", PAGE_SIZE);
}

TEST(a_shared_file_outside_every_window_is_found)
{
	const char *what = NULL;

	start_with_file();
	CHECK(pgtable_map(&pairs[0].restricted, CPU_BASE + MIB(1), HPA(FILE_BASE), PAGE_SIZE, 0) ==
	      0);
	CHECK(check(0, &what) == 1); /* though a VM is there that may read it */
	CHECK(what && !strcmp(what, "not a frame of this CPU"));
	space_window_set(&pairs[0], NULL);
	current_vm[0] = -1;
	CHECK(audit_cpu(0, &what).sensitive_bytes == PAGE_SIZE);
	CHECK(what && !strcmp(what, "a file that other VMs may read"));
}

TEST(a_shared_file_that_can_be_written_is_found)
{
	start_with_file();
	CHECK(show_file(1, VM_DISK_BASE, PAGE_SIZE, true) == 0);
	expect_bad(1, "a shared file that can be written", 0);
}

TEST(a_shared_file_outside_the_disks_is_found)
{
	start_with_file();
	CHECK(show_file(1, VM_DISK_BASE - PAGE_SIZE, 0, false) == -E_RANGE);
	CHECK(pgtable_map(&windows[1].table, VM_DISK_BASE - PAGE_SIZE, HPA(FILE_BASE), PAGE_SIZE,
			  0) == 0);
	expect_bad(1, "not a frame of the current VM", 0);
}

/* What the audit says of a guest @vm that reaches @size bytes of the file with @prot. */
static struct space_audit audit_guest(unsigned vm, uint64_t size, unsigned prot, const char **what)
{
	struct space_audit audit = { .report = keep_report, .context = what };
	struct pgtable ept;

	start_with_file();
	*what = NULL;
	CHECK(pgtable_create(&ept, PG_EPT, 2) == 0);
	CHECK(pgtable_map(&ept, GIB(4), HPA(FILE_BASE), size, prot) == 0);
	CHECK(space_audit_ept(&audit, &ept, (uint16_t)vm));
	return audit;
}

TEST(a_guest_may_read_a_file_that_is_its_own_and_not_write_it)
{
	const char *what;
	struct space_audit audit = audit_guest(1, MIB(2), 0, &what);

	CHECK(audit.violations == 0 && audit.sensitive_bytes == 0 && audit.pages == 512);
	audit = audit_guest(1, PAGE_SIZE, PG_WRITE, &what);
	CHECK(audit.violations == 1 && audit.sensitive_bytes == 0);
	CHECK(what && !strcmp(what, "the guest can write a shared file"));
	audit = audit_guest(2, PAGE_SIZE, 0, &what);
	CHECK(audit.violations == 1 && audit.sensitive_bytes == PAGE_SIZE);
	CHECK(what && !strcmp(what, "the guest reaches a frame that is not its own"));
	audit = audit_guest(1, MIB(4), 0, &what); /* half of it nobody has claimed */
	CHECK(audit.violations == 512 && audit.sensitive_bytes == MIB(2));
}

TEST(a_file_that_no_vm_has_claimed_is_found)
{
	start_with_file();
	CHECK(show_file(1, VM_DISK_BASE, MIB(2), false) == 0);
	expect_bad(1, "sensitive data of the image, or a boot file", PAGE_SIZE);
}

UNIT_MAIN
