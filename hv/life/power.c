// SPDX-License-Identifier: MIT
#include "hv/life/power.h"

#include "drivers/host/acpi.h"
#include "drivers/host/ioapic.h"
#include "hv/base/asm.h"
#include "hv/base/boot.h"
#include "hv/base/global.h"
#include "hv/base/patience.h"
#include "hv/base/spinlock.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/console/record.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/ipi.h"
#include "hv/cpu/percpu.h"
#include "hv/life/life.h"
#include "hv/life/run.h"
#include "hv/sched/wake.h"
#include "hv/vm/record.h"

/* PM1 registers, ACPI 6.4 4.8.3. */
#define PM1_POWER_BUTTON BIT(8)
#define PM1_SCI_ENABLED BIT(0)
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_TYPE (7U << PM1_SLEEP_TYPE_SHIFT)
#define PM1_SLEEP BIT(13)

/* The firmware's handler turns ACPI mode on while we wait. */
#define ENABLE_MS 3000
#define ENABLE_GRAIN_MS 100
/* How often to look whether a VM has been stopped, and how long before the machine goes off all the
 * same. */
#define LOOK_MS 1
#define PATIENCE_MS 30000
#define GRAIN_MS 100
/* Interrupts in a row that no press explains: the line is somebody else's too, and stays set. */
#define MAX_STRAYS 1000

static uint16_t status_ports[2] GLOBAL_DATA("ports of the power button");
static unsigned presses GLOBAL_DATA("how often the power button was pressed");
static unsigned strays GLOBAL_DATA("interrupts that the power button did not raise");

/* Sensitive, and the lock's. */
static struct spinlock lock = SPINLOCK(LOCK_POWER);
static bool told, masked;
static unsigned looker; /* the CPU that sees to it that somebody looks */
static struct patience patience;

static uint64_t in_ms(uint64_t ms)
{
	return cpu_facts.tsc_hz / 1000 * ms;
}

static BOOT bool turn_acpi_on(const struct acpi_power *power)
{
	struct patience enable = patience_of(in_ms(ENABLE_MS), in_ms(ENABLE_GRAIN_MS));

	if (!power->smi_command || (inw(power->control[0]) & PM1_SCI_ENABLED))
		return true;
	outb(power->smi_command, power->acpi_enable);
	while (!(inw(power->control[0]) & PM1_SCI_ENABLED))
		if (patience_is_over(&enable))
			return false;
	return true;
}

/* The button's event alone; what the firmware left is forgotten. */
static BOOT void choose_events(const struct acpi_power *power)
{
	for (unsigned i = 0; i < ARRAY_SIZE(power->gpe); i++) {
		uint16_t port = power->gpe[i].port, half = power->gpe[i].size / 2;

		for (uint16_t j = 0; port && j < half; j++) {
			outb((uint16_t)(port + half + j), 0);
			outb((uint16_t)(port + j), 0xff);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(power->status); i++) {
		if (!power->status[i])
			continue;
		outw(power->enable[i], PM1_POWER_BUTTON);
		outw(power->status[i], inw(power->status[i]));
		status_ports[i] = power->status[i];
	}
}

BOOT void power_init(uint32_t apic_id)
{
	const struct acpi_power *power = &acpi_facts.power;

	if (!power->usable)
		return;
	if (!turn_acpi_on(power)) {
		console_error("the firmware does not turn ACPI mode on: the power button stays its "
			      "own");
		return;
	}
	choose_events(power);
	if (ioapic_route(&power->line, HOST_VECTOR_SCI, apic_id))
		console_error("the power button's interrupt, line %u, does not reach the first I/O "
			      "APIC: the button does nothing",
			      power->line.gsi);
}

void power_interrupt(void)
{
	bool pressed = false;

	for (unsigned i = 0; i < ARRAY_SIZE(status_ports); i++) {
		uint16_t status = status_ports[i] ? inw(status_ports[i]) : 0;

		if (status)
			outw(status_ports[i], status); /* ends what it says */
		pressed |= (status & PM1_POWER_BUTTON) != 0;
	}
	if (pressed)
		__atomic_fetch_add(&presses, 1, __ATOMIC_SEQ_CST);
	strays = pressed ? 0 : strays + 1;
	wake_call_scheduler();
}

bool power_is_pressed(void)
{
	return __atomic_load_n(&presses, __ATOMIC_SEQ_CST) != 0;
}

static void say_press(void)
{
	told = true;
	looker = this_cpu()->id;
	patience = patience_of(in_ms(PATIENCE_MS), in_ms(GRAIN_MS));
	console_printf("the power button: all VMs are stopped, then the machine goes off; a second "
		       "press: at once");
	record_begin("power");
	record_str("event", "button");
	record_end();
}

/* The first VM that is still there; NULL: none. One that stands still never ends. */
static struct vm_record *first_left(void)
{
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++)
		if (vm_records[i].state >= VM_BUILDING && !vm_stands_still(&vm_records[i]))
			return &vm_records[i];
	return NULL;
}

/* What cannot be stopped yet is asked again at the next look. */
static void stop_next(void)
{
	struct vm_record *record = first_left();

	if (record && !patience_is_over(&patience)) {
		vm_operate(record, VM_WISH_STOP);
		return;
	}
	if (record)
		console_error("[vm %s] does not end: the machine goes off all the same",
			      record->config->name);
	run_end(0, "power button");
}

static void stop_strays(void)
{
	masked = true;
	ioapic_mask(&acpi_facts.power.line);
	console_error("the power button's interrupt comes without end and not from it: the button "
		      "does nothing from now on");
}

void power_poll(void)
{
	if (!power_is_pressed() && (strays < MAX_STRAYS || masked))
		return;
	/* Who holds it may be ending a VM; what is left is done at its next look. */
	if (!spinlock_try(&lock))
		return;
	if (strays >= MAX_STRAYS && !masked)
		stop_strays();
	if (power_is_pressed() && !told)
		say_press();
	if (__atomic_load_n(&presses, __ATOMIC_SEQ_CST) > 1)
		run_end(0, "power button");
	if (told)
		stop_next();
	spinlock_release(&lock);
}

uint64_t power_deadline(void)
{
	return power_is_pressed() && looker == this_cpu()->id ? rdtsc() + in_ms(LOOK_MS) : 0;
}

void power_off_if_pressed(void)
{
	const struct acpi_power *power = &acpi_facts.power;
	uint16_t control[2];

	if (!power_is_pressed())
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(control); i++) {
		if (!power->control[i])
			continue;
		control[i] = (uint16_t)((inw(power->control[i]) & ~(PM1_SLEEP_TYPE | PM1_SLEEP)) |
					(unsigned)power->sleep_type[i] << PM1_SLEEP_TYPE_SHIFT);
		outw(power->control[i], control[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(control); i++)
		if (power->control[i])
			outw(power->control[i], (uint16_t)(control[i] | PM1_SLEEP));
}
