// SPDX-License-Identifier: MIT
#include "hv/core/smp.h"

#include "drivers/host/lapic.h"
#include "hv/asi/stun.h"
#include "hv/base/asm.h"
#include "hv/base/layout.h"
#include "hv/base/patience.h"
#include "hv/base/string.h"
#include "hv/console/console.h"
#include "hv/core/release.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/health/mce.h"
#include "hv/health/nmi.h"
#include "hv/sched/mitigation.h"
#include "hv/sched/wake.h"
#include "hv/vm/audit.h"
#include "mm/frames.h"
#include "mm/space.h"
#include "vmx/caps.h"

/* What the start-up code loads, hv/core/trampoline.asm. */
struct trampoline_args {
	uint64_t cr3, stack, entry, id;
};

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_args[];

static uint8_t start_stack[PAGE_SIZE * 2] __attribute__((aligned(16)));
static volatile bool answered;
static bool begun; /* by the CPU that is being started, or given up */

/* How long another CPU may take to answer: far more than one that is there, and under another
 * hypervisor as long as that keeps it from running. */
#define ANSWER_US 100000
#define ANSWER_NESTED_US 10000000
#define GRAIN_US 100

static struct patience patience_us(uint64_t us)
{
	uint64_t mhz = cpu_facts.tsc_hz / 1000000 + 1;

	return patience_of(us * mhz, GRAIN_US * mhz);
}

static void delay_us(uint64_t us)
{
	struct patience patience = patience_us(us);

	while (!patience_is_over(&patience))
		cpu_relax();
}

static bool reach(hpa_t hpa, uint64_t size)
{
	return hpa.v < BIT(cpu_facts.phys_bits) && space_reach_firmware(hpa, size);
}

static void add_cpu(uint32_t apic_id)
{
	for (unsigned i = 0; i < cpu_count; i++)
		if (cpus[i].apic_id == apic_id)
			return;
	if (cpu_count < PERCPU_MAX) {
		cpus[cpu_count].apic_id = apic_id;
		cpus[cpu_count].core = cpu_core_of(apic_id);
		cpu_count++;
	}
}

void smp_discover(const struct boot_info *bi)
{
	acpi_read(bi->rsdp, reach, &acpi_facts);
	if (bi->rsdp.v && acpi_facts.fault)
		console_error("the firmware's ACPI tables are of no use: %s%s", acpi_facts.fault,
			      bi->cpu_count ? "" : "; only one CPU is used");
	if (bi->cpu_count)
		for (unsigned i = 0; i < bi->cpu_count; i++)
			add_cpu(bi->cpus[i].apic_id);
	else
		for (unsigned i = 0; i < acpi_facts.cpu_count; i++)
			add_cpu(acpi_facts.apic_ids[i]);
	for (unsigned i = 0; i < cpu_count; i++) {
		unsigned first = 0;

		while (cpus[first].core != cpus[i].core)
			first++;
		cpus[i].leader = first;
		wake_init_cpu(i, cpus[i].apic_id, first);
	}
	stun_init_cpu();
}

const char *smp_init_cpu(unsigned id)
{
	/* Who is pressed or barks is heard by one CPU: the boot processor. */
	lapic_enable(HOST_VECTOR_SPURIOUS, HOST_VECTOR_TIMER, cpu_facts.tsc_deadline,
		     id == 0 ? acpi_facts.nmi_lint : -1);
	nmi_init_cpu();
	mce_init_cpu();
	this_cpu()->lapic_x2apic = cpu_facts.x2apic;
	return vmx_enable(id);
}

/* On their own stacks: the start stack is free for the next one. */
static void start_idle(void)
{
	mitigation_adopt();
	stun_init_cpu();
	cpus[this_cpu()->id].online = true;
	release_expect();
	answered = true;
	release_wait(false);
}

static void stay_unused(void)
{
	release_expect();
	answered = true;
	release_wait(true);
}

/* First C code of another processor: loader's map, the one start stack. */
static void ap_main(uint64_t id)
{
	const char *why;

	/* Not called any more: the boot processor sends INIT to whom it has given up. */
	if (__atomic_exchange_n(&begun, true, __ATOMIC_SEQ_CST))
		halt_forever();
	percpu_activate((unsigned)id);
	why = smp_init_cpu((unsigned)id);
	if (why)
		console_error("CPU %u: %s; it stays unused", (unsigned)id, why);
	cpu_switch_stack((void *)PERCPU_IDLE_STACK_TOP, why ? stay_unused : start_idle);
}

static bool start_one(unsigned id, hpa_t page, uint64_t boot_cr3)
{
	struct trampoline_args args = { boot_cr3, (uint64_t)start_stack + sizeof(start_stack),
					(uint64_t)ap_main, id };
	uint8_t *code = hpa_to_ptr(page);

	memcpy(code, trampoline_start, (uint64_t)trampoline_end - (uint64_t)trampoline_start);
	memcpy(code + ((uint64_t)trampoline_args - (uint64_t)trampoline_start), &args,
	       sizeof(args));
	answered = false;
	lapic_send_init(cpus[id].apic_id);
	delay_us(10000);
	begun = false; /* not before the INIT of one that was given up has arrived */
	/* Twice if need be, SDM 8.4.4.1. */
	for (unsigned attempt = 0; attempt < 2 && !answered; attempt++) {
		struct patience patience =
			patience_us(cpu_facts.hypervisor ? ANSWER_NESTED_US : ANSWER_US);

		lapic_send_startup(cpus[id].apic_id, (uint8_t)(page.v >> PAGE_SHIFT));
		while (!answered && !patience_is_over(&patience))
			cpu_relax();
	}
	if (!answered && !__atomic_exchange_n(&begun, true, __ATOMIC_SEQ_CST)) {
		/* Should it come late, it must not find the start stack, or memory given away. */
		lapic_send_init(cpus[id].apic_id);
		return false;
	}
	while (!answered)
		cpu_relax();
	return true;
}

void smp_start(uint64_t boot_cr3)
{
	hpa_t page = frames_trampoline();

	for (unsigned id = 1; id < cpu_count; id++) {
		if (hpa_is_none(page)) {
			console_error("no memory below 1 MiB to start other CPUs from: only CPU 0 "
				      "is used");
			return;
		}
		if (percpu_create(id, cpus[id].apic_id))
			console_error("CPU %u: no memory for its private data; it stays unused",
				      id);
		else if (!start_one(id, page, boot_cr3))
			console_error(
				"CPU %u (APIC id %u) does not answer INIT-SIPI; it stays unused",
				id, cpus[id].apic_id);
		audit_changed();
	}
	/* The trampoline is no longer needed, and holds addresses. */
	if (!hpa_is_none(page))
		memset(hpa_to_ptr(page), 0, PAGE_SIZE);
}
