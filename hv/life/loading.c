// SPDX-License-Identifier: MIT
/*
 * A VM begins: what it has is put into its power-on state by the CPU that its first vCPU comes to.
 * Then that runs the loader program (drivers/guest/loader), which is a part of the guest and has no
 * more rights than its kernel: whatever the files hold, the guest is all that they can take over.
 */
#include "hv/life/loading.h"

#include "drivers/guest/irq/lapic.h"
#include "drivers/guest/legacy/machine.h"
#include "drivers/guest/loader/boot.h"
#include "drivers/host/rtc.h"
#include "hv/asi/asi.h"
#include "hv/base/asm.h"
#include "hv/base/errno.h"
#include "hv/base/print.h"
#include "hv/base/spinlock.h"
#include "hv/base/string.h"
#include "hv/config/boot_state.h"
#include "hv/console/console.h"
#include "hv/cpu/stack.h"
#include "hv/life/boot_record.h"
#include "hv/life/life.h"
#include "hv/life/load.h"
#include "hv/life/stats.h"
#include "hv/net/vm_net.h"
#include "hv/sched/sched.h"
#include "hv/sched/wake.h"
#include "hv/vm/breathe.h"
#include "hv/vm/memory.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/vm.h"
#include "vmx/vcpu.h"

/* A stop_reason by its address: the program has told more. */
static const char program_says[] = "its files cannot be loaded";

static void reset_vm(struct vm_record *record)
{
	struct vm *vm = VM_HERE;

	vm->timer = boot_state_timer();
	vm->debug_hypercalls = boot_state_config()->debug_hypercalls;
	vm->ends_run = record->config->ends_run;
	vm->sets_policy = record->config->sets_policy;
	vm_console_assign(record);
	vm->user_hypercalls = record->config->user_hypercalls;
	vm->apicv = boot_state_apicv();
	vm->tsc_offset = 0 - rdtsc();
	vm->epoch = rtc_read_epoch();
	vm->request = 0;
	vm->stop_reason = NULL;
	vm->loading = VM_LOADS;
	memset(vm->mtrr, 0, sizeof(vm->mtrr));
	vm->mtrr[VM_MTRR_DEF_TYPE] = 0xc06; /* on, fixed ranges on, write-back */
	machine_reset(vm);
	vm_breathe();
}

static void reset_vcpus(struct vm_record *record)
{
	for (unsigned i = 0; i < VM_HERE->vcpu_count; i++) {
		struct vcpu *vcpu = vcpu_here(i);

		vm_breathe();
		vlapic_reset(vcpu, i, true);
		vcpu_reset(record, vcpu, i ? 0 : LOADER_BASE);
		vcpu_reset_stats(vcpu);
	}
}

void vm_begin(struct vm_record *record)
{
	bool ends;

	/* On the VM's own account: else one that reboots over and over would get it for nothing. */
	wake_start_clock(record->vm, 0);
	reset_vm(record);
	vm_loader_reset(record);
	reset_vcpus(record);
	vm_net_set_up(record, true);
	wake_stop_clock(record->vm, 0);
	spinlock_acquire(&record->lock);
	ends = record->wish != VM_WISH_NONE;
	record->state = ends ? VM_ENDING : VM_LOADING;
	spinlock_release(&record->lock);
	/* Its vCPUs come by the scheduler's loop, the first to this CPU if its turn goes on. */
	vm_part(record);
	if (!ends)
		sched_kick_vm(record);
}

/* Between pieces of an exit that does more than others. */
static void let_interrupts(void)
{
	stack_goes_deep();
	interrupts_take();
}

/* The VM is live, which is said. A single one's first start is said before it, for nobody else
 * sends what is said then; from then on it is not held up for that. */
static int go_live(struct vm *vm, gpa_t entry)
{
	struct vm_record *record;
	bool live, alone = !console_queues();

	asi_exit(ASI_CAUSE_VM_STATE);
	/* It executes there for sure; an entry outside memory is its own trouble. */
	if (vm_populate(vm, entry, true) == -E_NOMEM)
		return -E_NOMEM;
	record = &vm_records[vm->id];
	spinlock_acquire(&record->lock);
	live = record->state == VM_LOADING;
	if (live)
		record->state = VM_LIVE;
	spinlock_release(&record->lock);
	if (!live)
		return 0; /* it is being ended, or another vCPU was faster */
	vm->loading = alone ? VM_SAYS_SO : VM_LOADED;
	record->starts++;
	console_queue_output();
	let_interrupts();
	vm_report_running(record);
	let_interrupts();
	boot_report();
	let_interrupts(); /* the way back, with a flush, is long by itself */
	return 0;
}

int64_t vm_loaded(struct vcpu *vcpu, gpa_t entry, bool *again)
{
	struct vm *vm = vcpu->vm;
	bool barrier = vcpu->stats.ibpb;
	int err;

	*again = false;
	if (vm->loading == VM_LOADED)
		return -E_PERM;
	err = vm->loading == VM_LOADS ? go_live(vm, entry) : 0;
	if (err)
		return err;
	*again = vm->loading == VM_SAYS_SO && !console_is_sent();
	if (*again)
		return 0;
	vm->loading = VM_LOADED;
	asi_exit(ASI_CAUSE_VM_STATE); /* what is counted begins with a way back */
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_reset_stats(vcpu_here(i));
	/* As if it came to its CPU now, with a barrier if it did; and without this exit, which
	 * counts when it is over. */
	vcpu->stats.ibpb = barrier;
	vcpu->stats.exits[vcpu->exit_reason]--;
	return 0;
}

int64_t vm_not_loaded(struct vcpu *vcpu)
{
	if (vcpu->vm->loading == VM_LOADED)
		return -E_PERM;
	vm_stop(vcpu, program_says, 0);
	return 0;
}

void vm_report_not_loaded(const struct vm_record *record)
{
	const struct config_vm *config = record->config;
	const struct vm *vm = VM_HERE;
	char why[LOADER_WHY_SIZE];

	if (vm->stop_reason == program_says)
		vm_loader_why(record, why, sizeof(why));
	else
		fmt_snprintf(why, sizeof(why), "cannot be loaded: %s 0x%llx", vm->stop_reason,
			     (unsigned long long)vm->stop_detail);
	console_error("cloister.conf:%u: [vm %s] kernel = %s %s", config->kernel_line, config->name,
		      config->kernel, why);
}
