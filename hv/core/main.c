// SPDX-License-Identifier: MIT
/* Bring-up, from the loaders' jump to release_boot(), which ends it. Reads top to bottom as the
 * order of things. All of this file is gone when the first guest runs. */
#include "boot/boot_info.h"
#include "drivers/host/acpi.h"
#include "drivers/host/ioapic.h"
#include "drivers/host/lapic.h"
#include "drivers/host/pic.h"
#include "drivers/host/tsc.h"
#include "hv/asi/flush.h"
#include "hv/base/asm.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/base/symbols.h"
#include "hv/base/version.h"
#include "hv/config/boot_state.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/console/end.h"
#include "hv/console/input.h"
#include "hv/console/record.h"
#include "hv/core/release.h"
#include "hv/core/smp.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/percpu.h"
#include "hv/cpu/stack.h"
#include "hv/life/create.h"
#include "hv/life/life.h"
#include "hv/life/power.h"
#include "hv/life/run.h"
#include "hv/sched/mitigation.h"
#include "hv/sched/place.h"
#include "hv/sched/sched.h"
#include "hv/vm/audit.h"
#include "hv/vm/record.h"
#include "mm/frames.h"
#include "mm/space.h"
#include "vmx/caps.h"
#include "vmx/cpuid.h"

extern const char text_start[], text_end[], rodata_start[], rodata_end[], global_start[],
	global_end[], data_start[], data_end[], boot_text_start[], boot_text_end[],
	boot_rodata_start[], boot_rodata_end[], boot_data_start[], boot_data_end[];

#define IOAPIC_DEFAULT 0xfec00000ULL

static const struct boot_info *bi;
static const struct config *config;
static uint64_t boot_cr3;
static unsigned built;

/* Nothing can run: said on every console that there is, then the machine stands still. */
static _Noreturn void refuse(const char *why)
{
	console_error("cannot run: %s", why);
	run_end(1, why);
}

/* Before this CPU has its private page: no other CPU runs yet, so there is nobody to stop. */
static _Noreturn void refuse_early(const char *why)
{
	console_error("cannot run: %s", why);
	run_finish(1, why);
}

static uint64_t image_offset(const char *symbol)
{
	return (uint64_t)symbol - (uint64_t)image_start;
}

static void build_address_space(void)
{
	const struct space_image image = {
		.link_base = (uint64_t)image_start,
		.load_base = bi->image_base,
		.text_start = image_offset(text_start),
		.text_end = image_offset(text_end),
		.rodata_start = image_offset(rodata_start),
		.rodata_end = image_offset(rodata_end),
		.global_start = image_offset(global_start),
		.global_end = image_offset(global_end),
		.data_start = image_offset(data_start),
		.data_end = image_offset(data_end),
		.boot_text_start = image_offset(boot_text_start),
		.boot_text_end = image_offset(boot_text_end),
		.boot_rodata_start = image_offset(boot_rodata_start),
		.boot_rodata_end = image_offset(boot_rodata_end),
		.boot_data_start = image_offset(boot_data_start),
		.boot_data_end = image_offset(boot_data_end),
	};

	if (frames_init(bi))
		refuse_early("the firmware's memory map has no usable memory below 4 GiB");
	if (space_init(bi, &image, cpu_facts.pages_1g))
		refuse_early("too little memory for the page tables: at least 64 MiB are needed");
	cpus[0].apic_id = cpuid(1, 0).ebx >> 24;
	cpu_count = 1;
	if (percpu_create(0, cpus[0].apic_id))
		refuse_early("too little memory for the first CPU: at least 64 MiB are needed");
	boot_cr3 = read_cr3();
	percpu_activate(0);
	audit_changed(); /* not before: what it finds is told with the help of the private page */
	cpus[0].online = true;
}

static void read_config(void)
{
	config = boot_state_parse();
	if (!config) {
		console_init(CONFIG_CONSOLE_COM1 | CONFIG_CONSOLE_FRAMEBUFFER, &bi->fb);
		refuse("there is no cloister.conf: put one beside the loader (UEFI) or name it as "
		       "a module (GRUB)");
	}
	console_init(config->console, &bi->fb);
	end_set_port(config->exit_port);
}

static void report_config_errors(void)
{
	for (unsigned i = 0; i < config->error_count && i < CONFIG_MAX_ERRORS; i++)
		console_error("%s", config->errors[i]);
	if (config->error_count > CONFIG_MAX_ERRORS)
		console_error("cloister.conf: %u more errors",
			      config->error_count - CONFIG_MAX_ERRORS);
}

static void choose_timer(void)
{
	bool deadline = cpu_facts.tsc_deadline;
	enum vm_timer timer;

	if (config->timer == CONFIG_TIMER_DEADLINE && !deadline)
		console_error("timer = deadline: this CPU has no TSC-deadline timer; the "
			      "preemption timer is used");
	if (config->timer == CONFIG_TIMER_PREEMPTION && !vmx_caps.preemption_timer)
		console_error("timer = preemption: this CPU has no VMX preemption timer; "
			      "TSC-deadline is used");
	timer = deadline ? VM_TIMER_DEADLINE : VM_TIMER_PREEMPTION;
	if (config->timer == CONFIG_TIMER_PREEMPTION && vmx_caps.preemption_timer)
		timer = VM_TIMER_PREEMPTION;
	if (timer == VM_TIMER_PREEMPTION && !vmx_caps.preemption_timer)
		refuse("this CPU has neither a TSC-deadline timer nor a VMX preemption timer: a "
		       "newer CPU is needed");
	boot_state_choose(timer, vmx_caps.apicv && !config->apicv_off);
}

static void choose_policy(void)
{
	if (flush_init())
		refuse("too little memory for the flush buffer: at least 64 MiB are needed");
	mitigation_init(config);
	mitigation_adopt();
}

static void start_hardware(void)
{
	const char *why;
	hpa_t ioapic;

	pic_disable();
	cpu_facts.tsc_hz = tsc_calibrate();
	if (!cpu_facts.tsc_hz)
		refuse("neither the 8254 timer nor CPUID tells the TSC's frequency: no clock could "
		       "be right");
	cpuid_build();
	if (lapic_init(cpu_facts.x2apic))
		refuse("the local APIC cannot be mapped: too little memory");
	smp_discover(bi);
	ioapic = acpi_facts.ioapic.v ? acpi_facts.ioapic : HPA(IOAPIC_DEFAULT);
	why = smp_init_cpu(0);
	if (why)
		refuse(why);
	if (ioapic_init(ioapic))
		console_error("no I/O APIC answers at 0x%llx: the console takes no input",
			      (unsigned long long)ioapic.v);
	power_init(cpus[0].apic_id);
	smp_start(boot_cr3);
	for (unsigned i = 0; i < cpu_count; i++) {
		record_begin("cpu");
		record_u64("id", i);
		record_u64("apic_id", cpus[i].apic_id);
		record_u64("core", cpus[i].core);
		record_bool("online", cpus[i].online);
		record_bool("primary", cpus[i].online && sched_primary(i) == i);
		record_end();
	}
}

/* How each core's leader is loaded, with all threads in use [1] and with only one [0]. */
static struct place_cpu places[2][PERCPU_MAX];
static unsigned load[2][PERCPU_MAX];

/* Where the vCPUs run with hyperthreads and without: there a VM for which there are too few cores
 * has several of them on one CPU. Returns as place_vm(). */
static int place(struct vm_record *record, const struct config_vm *vm)
{
	int found;

	if (vm->share)
		return 0;
	found = place_vm(vm, places[true], cpu_count, load[true], record->places[true]);
	if (!found && place_vm(vm, places[false], cpu_count, load[false], record->places[false]))
		for (unsigned i = 0; i < vm->vcpus; i++)
			record->places[false][i] = sched_primary(record->places[true][i]);
	return found;
}

static void build_vm(unsigned index)
{
	const struct config_vm *vm = &config->vms[index];
	int found, err;

	if (vm->bad) {
		vm_refuse(vm, "its section of cloister.conf has errors");
		return;
	}
	found = place(&vm_records[index], vm);
	if (found < 0) {
		console_error("cloister.conf:%u: [vm %s] wants %u CPUs, %d are there for it: lower "
			      "vcpus = or change cpus =",
			      vm->line, vm->name, vm->vcpus, -1 - found);
		vm_refuse(vm, "not enough CPUs");
		return;
	}
	err = vm_create(index, vm);
	if (err) {
		vm_refuse(vm, err == -E_NOENT	? "a disk of it cannot be used"
			      : err == -E_INVAL ? "its files cannot be loaded"
						: "not enough memory");
	} else {
		if (input_vm() < 0)
			input_give_to_vm((int)index);
		/* The audit at boot looks at it; sched_add() comes behind that, in release_boot().
		 */
		vm_records[index].state = VM_READY;
		built++;
	}
}

static void build_vms(void)
{
	for (unsigned i = 0; i < cpu_count; i++) {
		bool primary = cpus[i].online && sched_primary(i) == i;

		places[true][i] = (struct place_cpu){ cpus[i].leader, cpus[i].online };
		places[false][i] = (struct place_cpu){ cpus[i].leader, primary };
	}
	for (unsigned i = 0; i < config->vm_count; i++)
		build_vm(i);
}

/* On the boot processor's idle stack; the loader's tables are out of use from here on. */
static void run(void)
{
	const char *why;

	stack_goes_deep();
	console_printf("Cloister %s, %s, booted by %s", CLOISTER_VERSION, cpu_facts.brand,
		       bi->source == BOOT_SOURCE_EFI ? "UEFI" : "multiboot2");
	read_config();
	report_config_errors();
	why = vmx_probe();
	if (why)
		refuse(why);
	choose_timer();
	choose_policy();
	start_hardware();
	build_vms();
	if (!built)
		refuse("no VM can be started, see above");
	cpu_switch_stack((void *)PERCPU_IDLE_STACK_TOP, release_boot);
}

/** From hv/core/start.asm, on the boot stack with the loader's tables; @hand_off is a physical
 * address.
 */
_Noreturn void hv_main(uint64_t hand_off);

_Noreturn void hv_main(uint64_t hand_off)
{
	bi = hpa_to_ptr(HPA(hand_off));
	/* Scrubbing memory uses SSE stores, and loaders leave these bits as they like. */
	write_cr0(read_cr0() & ~(CR0_EM | CR0_TS));
	write_cr4(read_cr4() | CR4_OSFXSR);
	console_init_early();
	record_init();
	cpu_detect();
	if (bi->magic != BOOT_INFO_MAGIC || bi->version != BOOT_INFO_VERSION)
		refuse_early(
			"the loader's hand-off record is not of this version: update the loader");
	boot_state_init(bi);
	if (!cpu_facts.nx)
		refuse_early("this CPU has no NX bit, or the firmware turned it off: enable it in "
			     "the set-up");
	build_address_space();
	cpu_switch_stack((void *)PERCPU_IDLE_STACK_TOP, run);
	halt_forever();
}
