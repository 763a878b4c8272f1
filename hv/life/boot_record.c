// SPDX-License-Identifier: MIT
#include "hv/life/boot_record.h"

#include "hv/base/asm.h"
#include "hv/base/version.h"
#include "hv/config/boot_state.h"
#include "hv/console/record.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"

static bool boot_reported;

void boot_report(void)
{
	const struct boot_state_loader *loader = boot_state_loader();
	uint64_t now = rdtsc();

	if (boot_reported)
		return;
	boot_reported = true;
	record_begin("boot");
	record_str("version", CLOISTER_VERSION);
	record_str("source", loader->source == BOOT_SOURCE_EFI ? "efi" : "multiboot2");
	record_str("cpu", cpu_facts.brand);
	record_u64("cpus", cpu_count);
	record_u64("tsc_hz", cpu_facts.tsc_hz);
	record_u64("ticks_to_guest", now - loader->tsc_start);
	record_bool("apicv", boot_state_apicv());
	record_u64("file_ticks", loader->tsc_file_ticks);
	record_u64("loader_ticks", loader->tsc_handover - loader->tsc_start);
	record_u64("boot_freed", boot_state_freed());
	record_end();
}
