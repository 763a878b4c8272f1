// SPDX-License-Identifier: MIT
#include "hv/health/mce.h"

#include "drivers/host/lapic.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/panic.h"
#include "hv/console/console.h"
#include "hv/console/record.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"

#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MCG_CTL 0x17b
#define MCG_CAP_COUNT 0xff
#define MCG_CAP_CONTROL BIT(8)	      /* MCG_CTL_P */
#define MCG_CAP_COUNTS_ERRORS BIT(10) /* CMCI_P */
#define MCG_CAP_RECOVERS BIT(24)      /* SER_P */
#define MCG_STATUS_CAN_RESUME BIT(0)  /* RIPV */
#define MCG_STATUS_AT_FAULT BIT(1)    /* EIPV: the error belongs to what was interrupted */
/* Four registers a bank. */
#define MSR_MC0_CTL 0x400
#define MSR_MC0_STATUS 0x401
#define MSR_MC0_ADDR 0x402
#define MSR_MC0_MISC 0x403
#define MSRS_PER_BANK 4
#define MAX_BANKS 32

#define STATUS_VALID BIT(63)
#define STATUS_OVERFLOW BIT(62)
#define STATUS_UNCORRECTED BIT(61)
#define STATUS_ENABLED BIT(60)
#define STATUS_MISC_VALID BIT(59)
#define STATUS_ADDR_VALID BIT(58)
#define STATUS_CONTEXT_CORRUPT BIT(57)
#define STATUS_ACTION_REQUIRED BIT(55)
#define STATUS_COUNT_SHIFT 38
#define STATUS_COUNT_MASK 0x7fff

BOOT void mce_init_cpu(void)
{
	struct percpu *cpu = this_cpu();
	uint64_t cap, banks;

	if (!cpu_facts.mca)
		return;
	cap = rdmsr(MSR_MCG_CAP);
	banks = cap & MCG_CAP_COUNT;
	if (!banks)
		return;
	cpu->mc_banks = (uint8_t)(banks < MAX_BANKS ? banks : MAX_BANKS);
	cpu->mc_recovers = cap & MCG_CAP_RECOVERS;
	/* As they come out of reset they raise nothing (SDM 15.3.2.1). */
	if (cap & MCG_CAP_CONTROL)
		wrmsr(MSR_MCG_CTL, ~0ULL);
	for (unsigned i = 0; i < cpu->mc_banks; i++)
		wrmsr(MSR_MC0_CTL + MSRS_PER_BANK * i, ~0ULL);
	cpu->mc_period = cpu_facts.tsc_hz;
	cpu->mc_next = rdtsc() + cpu->mc_period;
}

/* What bank @bank holds of an error; 0: nothing. */
static uint64_t read_bank(unsigned bank)
{
	uint64_t status = rdmsr(MSR_MC0_STATUS + MSRS_PER_BANK * bank);

	return status & STATUS_VALID ? status : 0;
}

bool mce_look(uint64_t now)
{
	struct percpu *cpu = this_cpu();

	if (!cpu->mc_next || now < cpu->mc_next)
		return false;
	cpu->mc_next = now + cpu->mc_period;
	for (unsigned i = 0; i < cpu->mc_banks; i++)
		cpu->mc_found |= read_bank(i) != 0;
	return cpu->mc_found;
}

/* Was the error used? SDM 15.6.3: an action is required then, where the hardware says so. */
static bool was_used(const struct percpu *cpu, uint64_t status)
{
	return !cpu->mc_recovers || (status & STATUS_ACTION_REQUIRED);
}

bool mce_take(uint64_t *address)
{
	struct percpu *cpu = this_cpu();
	uint64_t global;
	bool used = false;

	*address = 0;
	if (!cpu->mc_banks) /* nothing tells what it was */
		return true;
	global = rdmsr(MSR_MCG_STATUS);
	for (unsigned i = 0; i < cpu->mc_banks; i++) {
		uint64_t status = read_bank(i);

		if (!(status & STATUS_UNCORRECTED) || !(status & STATUS_ENABLED))
			continue;
		/* Of two errors the second one is lost: it may have been anything. */
		if ((status & STATUS_CONTEXT_CORRUPT) ||
		    (was_used(cpu, status) && (status & STATUS_OVERFLOW)))
			panic("machine check on CPU %u, the hardware is broken: bank %u, status "
			      "0x%llx",
			      cpu->id, i, (unsigned long long)status);
		if (!was_used(cpu, status))
			continue;
		used = true;
		if (status & STATUS_ADDR_VALID)
			*address = rdmsr(MSR_MC0_ADDR + MSRS_PER_BANK * i);
	}
	/* It also comes to CPUs that share the bank and had no part in it (SDM 15.9.3.2). */
	if (cpu->mc_recovers && !(global & MCG_STATUS_AT_FAULT))
		used = false;
	cpu->mc_found = true;
	lapic_send_self(HOST_VECTOR_REPORT);
	wrmsr(MSR_MCG_STATUS, 0); /* MCIP: the next one would switch the machine off */
	return used || !(global & MCG_STATUS_CAN_RESUME);
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
	record_bool("corrected", !(status & STATUS_UNCORRECTED));
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
	bool corrected = true;
	uint64_t errors = 0;

	if (!cpu->mc_found)
		return;
	cpu->mc_found = false;
	for (unsigned i = 0; i < cpu->mc_banks; i++) {
		uint64_t status = read_bank(i); /* threads share banks: another CPU was faster */

		if (!status)
			continue;
		errors += report_bank(cpu, i, status);
		corrected &= !(status & STATUS_UNCORRECTED);
	}
	if (errors)
		console_printf("CPU %u: the hardware has %s %llu error%s, see the mce records; "
			       "%s goes on",
			       cpu->id, corrected ? "corrected" : "found",
			       (unsigned long long)errors, errors == 1 ? "" : "s",
			       corrected ? "everything" : "whoever did not use it");
}
