/* unit-sources: boot/files.c hv/config/config.c hv/config/keys.c hv/config/mitigation.c hv/config/net.c hv/config/text.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "boot/files.h"
#include "guest-tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct boot_info bi;

static void start_with(const char *text)
{
	memset(&bi, 0, sizeof(bi));
	files_expect_config(&bi);
	bi.files[0].base = HPA((uint64_t)text);
	bi.files[0].size = strlen(text);
	bi.files[0].status = BOOT_FILE_OK;
}

TEST(files_configuration_is_expected_once)
{
	memset(&bi, 0, sizeof(bi));
	files_expect_config(&bi);
	files_expect_config(&bi);
	CHECK(bi.file_count == 1);
	CHECK(!strcmp(bi.files[0].name, "cloister.conf") &&
	      bi.files[0].status == BOOT_FILE_MISSING);
	files_expect_named(&bi); /* it is missing: nothing to read */
	CHECK(bi.file_count == 1);
}

TEST(files_named_are_listed_once_each)
{
	start_with("[vm a]\nkernel = vmlinuz\ninitrd = one.img\n[vm b]\nkernel = vmlinuz\n[vm "
		   "c]\nkernel=x\ninitrd=one.img\nmodules = m text, x, n");
	files_expect_named(&bi);
	CHECK(bi.file_count == 6);
	CHECK(files_find(&bi, "m") && files_find(&bi, "n") && !files_find(&bi, "m text"));
	CHECK(files_find(&bi, "vmlinuz") && files_find(&bi, "one.img") && files_find(&bi, "x"));
	CHECK(files_find(&bi, "x")->status == BOOT_FILE_MISSING && files_find(&bi, "x")->size == 0);
	CHECK(!files_find(&bi, "y"));
}

TEST(files_given_by_the_loader_are_kept)
{
	start_with("[vm a]\nkernel = vmlinuz\n");
	strcpy(bi.files[1].name, "vmlinuz");
	bi.files[1].size = 5;
	bi.file_count = 2;
	files_expect_named(&bi);
	CHECK(bi.file_count == 2 && bi.files[1].status == BOOT_FILE_OK && bi.files[1].size == 5);
}

TEST(files_full_table)
{
	start_with("[vm a]\nkernel = vmlinuz\n");
	while (bi.file_count < BOOT_MAX_FILES) {
		snprintf(bi.files[bi.file_count].name, BOOT_NAME_LEN, "module%u", bi.file_count);
		bi.file_count++;
	}
	files_expect_named(&bi);
	CHECK(bi.file_count == BOOT_MAX_FILES && !files_find(&bi, "vmlinuz"));
}

UNIT_MAIN
