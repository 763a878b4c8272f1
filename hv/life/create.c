// SPDX-License-Identifier: MIT
/* Builds a VM: its window, its memory and tables, its vCPU. Boot processor or the VM's own, full
 * map. */
#include "hv/life/create.h"

#include "drivers/guest/legacy/machine.h"
#include "drivers/guest/virtio/virtio.h"
#include "hv/base/errno.h"
#include "hv/base/layout.h"
#include "hv/base/string.h"
#include "hv/config/config.h"
#include "hv/console/console.h"
#include "hv/cpu/cpu.h"
#include "hv/cpu/stack.h"
#include "hv/life/disk.h"
#include "hv/life/load.h"
#include "hv/net/vm_net.h"
#include "hv/sched/mitigation.h"
#include "hv/vm/breathe.h"
#include "hv/vm/memory.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "mm/frames.h"
#include "mm/pgtable.h"
#include "mm/space.h"
#include "vmx/caps.h"
#include "vmx/cpuid.h"
#include "vmx/vcpu.h"

/* A vCPU's stack with its record on top, the area for XSAVE, and the APIC's registers. */
static int create_vcpu_private(struct vm_record *record, unsigned index)
{
	uint64_t stack =
		(uint64_t)vcpu_here(index) + VCPU_RECORD_SIZE - VCPU_STACK_PAGES * PAGE_SIZE;
	struct vcpu *vcpu;
	void *first;
	int err;

	err = space_window_alloc(&record->window, (uint64_t)vcpu_xsave_area(index), 1, &first);
	if (err)
		return err;
	err = space_window_alloc(&record->window, (uint64_t)vcpu_apic_page(index), 1, &first);
	if (err)
		return err;
	record->apic_page[index] = ptr_to_hpa(first);
	err = space_window_alloc(&record->window, stack, VCPU_STACK_PAGES, &first);
	if (err)
		return err;
	vcpu = (struct vcpu *)((uint8_t *)first + VCPU_STACK_PAGES * PAGE_SIZE - VCPU_RECORD_SIZE);
	record->vcpus[index] = vcpu;
	vcpu->vm = VM_HERE;
	vcpu->id = (uint16_t)index;
	vcpu->lapic.page = vcpu_apic_page(index);
	return 0;
}

/* struct vm and the vCPUs, in the private part of the window. */
static int create_private(struct vm_record *record)
{
	void *first;
	int err;

	err = space_window_alloc(&record->window, VM_PRIV_BASE,
				 ALIGN_UP(sizeof(struct vm), PAGE_SIZE) / PAGE_SIZE, &first);
	record->vm = first;
	for (unsigned i = 0; i < record->config->vcpus && !err; i++) {
		vm_breathe();
		err = create_vcpu_private(record, i);
	}
	return err;
}

static void describe(struct vm_record *record, const struct config_vm *config, uint16_t id)
{
	struct vm *vm = record->vm;

	str_copy(vm->name, config->name, sizeof(vm->name));
	spinlock_set_rank(&vm->lock, LOCK_DEVICES);
	vm->id = id;
	vm->vcpu_count = (uint16_t)config->vcpus;
	vm->lazy = config->populate == CONFIG_POPULATE_LAZY;
	vm->ram_low = config->memory < MACHINE_RAM_LOW_END ? config->memory : MACHINE_RAM_LOW_END;
	vm->ram_high = config->memory - vm->ram_low;
	vm->tsc_hz = cpu_facts.tsc_hz;
	vm->phys_bits = (uint8_t)cpu_facts.phys_bits;
	vm->preemption_shift = vmx_caps.preemption_shift;
	vm->cr4_allowed = cpuid_table.cr4_allowed;
	vm->xcr0_allowed = cpuid_table.xcr0_allowed;
}

/* The VM's devices on its PCI bus. */
static int add_devices(struct vm_record *record)
{
	if (vrng_exists())
		virtio_add(record->vm, VIRTIO_RNG, 0);
	else
		console_printf("[vm %s] has no virtio-rng: this CPU lacks RDRAND",
			       record->vm->name);
	if (record->config->virtio_console)
		virtio_add(record->vm, VIRTIO_CONSOLE, 0);
	return vm_add_disks(record);
}

static int create(struct vm_record *record, const struct config_vm *config, uint16_t id)
{
	int err;

	/* What is there of it, for vm_destroy(). */
	record->vm = NULL;
	record->window.table.root = record->ept.root = HPA_NONE;
	record->msr_bitmap = record->msr_area = record->spare_tables = HPA_NONE;
	for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
		record->vmcs[i] = HPA_NONE;
	record->memory_used = record->expected = 0;
	record->scrubbed = 0;
	record->load_failed = false;
	err = space_window_create(&record->window, id);
	if (!err)
		err = create_private(record);
	if (err)
		return err;
	vm_breathe();
	describe(record, config, id);
	vm_breathe();
	err = add_devices(record);
	if (!err)
		err = vm_net_create(record);
	if (err)
		return err;
	vm_breathe();
	err = pgtable_create(&record->ept, PG_EPT, vmx_caps.ept_2m ? 2 : 1);
	/* A guest that changes the size of a page it executes from could raise a machine check. */
	if (mitigation_wants()->small_code)
		record->ept.max_exec_level = 1;
	if (!err)
		err = vm_loader_create(record);
	if (!err)
		err = vm_memory_create(record);
	return err ? err : vcpu_create(record);
}

static void free_block(hpa_t *block, unsigned order)
{
	if (!hpa_is_none(*block))
		frames_free(*block, order);
	*block = HPA_NONE;
}

void vm_destroy(struct vm_record *record)
{
	stack_goes_deep();
	vm_loader_destroy(record);
	vm_memory_destroy(record);
	for (unsigned i = 0; i < CONFIG_MAX_VCPUS; i++)
		free_block(&record->vmcs[i], 0);
	free_block(&record->msr_bitmap, VCPU_MSR_BITMAP_ORDER);
	free_block(&record->msr_area, 0);
	stack_goes_deep(); /* once more: meanwhile it may have been zeroed */
	if (!hpa_is_none(record->window.table.root))
		space_window_destroy(&record->window, vm_breathe);
	record->vm = NULL;
	record->memory_used = 0;
}

int vm_create(unsigned index, const struct config_vm *config)
{
	struct vm_record *record = &vm_records[index];
	bool all = config->populate == CONFIG_POPULATE_EAGER || config->reserve > config->memory;
	uint64_t promised = all ? config->memory : config->reserve;
	int err;

	record->config = config;
	if (frames_pledge(promised / VM_POPULATE_CHUNK)) {
		console_error("cloister.conf:%u: [vm %s] wants %llu MiB of memory, %llu MiB are "
			      "free: lower memory = or, for memory-mode = lazy, memory-reserve =",
			      config->memory_line ? config->memory_line : config->line,
			      config->name, (unsigned long long)(promised >> 20),
			      (unsigned long long)(frames_unpledged() * VM_POPULATE_CHUNK >> 20));
		return -E_NOMEM;
	}
	record->pledged = promised / VM_POPULATE_CHUNK;
	err = create(record, config, (uint16_t)index);
	if (err == -E_NOMEM)
		console_error(
			"cloister.conf:%u: [vm %s] cannot be built, memory ran out: lower memory =",
			config->line, config->name);
	if (err)
		vm_destroy(record);
	return err;
}
