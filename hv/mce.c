// SPDX-License-Identifier: MIT
#include "hv/mce.h"

#include "hv/asm.h"
#include "hv/console.h"
#include "hv/cpu.h"
#include "hv/percpu.h"
#include "hv/record.h"

#define MSR_MCG_CAP 0x179
#define MCG_CAP_COUNT 0xff
#define MCG_CAP_COUNTS_ERRORS BIT(10) /* CMCI_P */
/* Four registers a bank, the first of which is not ours. */
#define MSR_MC0_STATUS 0x401
#define MSR_MC0_ADDR 0x402
#define MSR_MC0_MISC 0x403
#define MSRS_PER_BANK 4
#define MAX_BANKS 32

#define STATUS_VALID BIT(63)
#define STATUS_OVERFLOW BIT(62)
#define STATUS_UNCORRECTED BIT(61)
#define STATUS_MISC_VALID BIT(59)
#define STATUS_ADDR_VALID BIT(58)
#define STATUS_COUNT_SHIFT 38
#define STATUS_COUNT_MASK 0x7fff

void mce_init_cpu(void)
{
	struct percpu *cpu = this_cpu();
	uint64_t banks;

	if (!cpu_facts.mca)
		return;
	banks = rdmsr(MSR_MCG_CAP) & MCG_CAP_COUNT;
	if (!banks)
		return;
	cpu->mc_banks = (uint8_t)(banks < MAX_BANKS ? banks : MAX_BANKS);
	cpu->mc_period = cpu_facts.tsc_hz;
	cpu->mc_next = rdtsc() + cpu->mc_period;
}

/* What bank @bank holds of a corrected error; 0: nothing. */
static uint64_t corrected(unsigned bank)
{
	uint64_t status = rdmsr(MSR_MC0_STATUS + MSRS_PER_BANK * bank);

	return (status & STATUS_VALID) && !(status & STATUS_UNCORRECTED) ? status : 0;
}

bool mce_look(uint64_t now)
{
	struct percpu *cpu = this_cpu();

	if (!cpu->mc_next || now < cpu->mc_next)
		return false;
	cpu->mc_next = now + cpu->mc_period;
	for (unsigned i = 0; i < cpu->mc_banks; i++)
		cpu->mc_found |= corrected(i) != 0;
	return cpu->mc_found;
}

/* With the count that some CPUs keep beside the error. */
static uint64_t errors_in(uint64_t status)
{
	uint64_t count = status >> STATUS_COUNT_SHIFT & STATUS_COUNT_MASK;

	return (rdmsr(MSR_MCG_CAP) & MCG_CAP_COUNTS_ERRORS) && count ? count : 1;
}

/* Returns how many errors the bank told of. */
static uint64_t report_bank(struct percpu *cpu, unsigned bank, uint64_t status)
{
	uint64_t errors = errors_in(status);
	uint64_t address = 0, misc = 0;

	if (status & STATUS_ADDR_VALID)
		address = rdmsr(MSR_MC0_ADDR + MSRS_PER_BANK * bank);
	if (status & STATUS_MISC_VALID)
		misc = rdmsr(MSR_MC0_MISC + MSRS_PER_BANK * bank);
	/* At once: what comes while the line is slow is the next one. */
	wrmsr(MSR_MC0_STATUS + MSRS_PER_BANK * bank, 0);
	cpu->mc_errors += errors;
	record_begin("mce");
	record_u64("cpu", cpu->id);
	record_u64("bank", bank);
	record_hex("status", status);
	if (status & STATUS_ADDR_VALID)
		record_hex("address", address);
	if (status & STATUS_MISC_VALID)
		record_hex("misc", misc);
	record_u64("errors", errors);
	record_bool("more", status & STATUS_OVERFLOW);
	record_u64("count", cpu->mc_errors);
	record_end();
	return errors;
}

void mce_report(void)
{
	struct percpu *cpu = this_cpu();
	uint64_t errors = 0;

	if (!cpu->mc_found)
		return;
	cpu->mc_found = false;
	for (unsigned i = 0; i < cpu->mc_banks; i++) {
		uint64_t status = corrected(i); /* threads share banks: another CPU was faster */

		if (status)
			errors += report_bank(cpu, i, status);
	}
	if (errors)
		console_printf("CPU %u: the hardware has corrected %llu error%s, see the mce "
			       "records; everything goes on",
			       cpu->id, (unsigned long long)errors, errors == 1 ? "" : "s");
}
