/* prove: hv/monitor/commands.c */
/* prove-with: guest-tests/prove/text.c */
/* prove-options: precision=2 coverage=98 quick -eva-auto-loop-unroll=80 */
/* SPDX-License-Identifier: MIT */
/* Any line, with any VMs in any state. */
#include "hv/vm/audit.h"
#include "hv/config/boot_state.h"
#include "hv/console/console.h"
#include "hv/base/string.h"
#include "hv/sched/mitigation.h"
#include "hv/monitor/commands.h"
#include "hv/console/record.h"
#include "hv/life/life.h"
#include "mm/frames.h"
#include "vmx/exit_reason.h"
#include "vmx/vcpu.h"

struct vm_record vm_records[CONFIG_MAX_VMS];
bool mitigation_changing;

static struct config config;
static struct vm the_vm;
static struct vcpu the_vcpu;

const struct config *boot_state_config(void)
{
	return &config;
}

size_t str_append(char *dst, size_t size, size_t at, const char *src)
{
	/*@ assert there_is_room: at < size; */
	any_bytes(dst, size);
	dst[size - 1] = '\0';
	return any_within(0, (uint32_t)size - 1);
}

static bool is_record(const struct vm_record *record)
{
	/*@ assert a_record: \subset(record, &vm_records[0 .. CONFIG_MAX_VMS - 1]); */
	return any8 & 1;
}

int vm_operate(struct vm_record *record, enum vm_wish wish)
{
	return is_record(record) ? 0 : -(int)any8;
}

int vm_start(unsigned index)
{
	/*@ assert a_vm: index < CONFIG_MAX_VMS; */
	return -(int)any8;
}

int vm_hold(struct vm_record *record, enum vm_hold why)
{
	return is_record(record) ? 0 : -(int)any8;
}

void vm_release(struct vm_record *record, enum vm_hold why)
{
	is_record(record);
}

bool vm_stands_still(const struct vm_record *record)
{
	return is_record(record);
}

bool vm_is_settled(const struct vm_record *record)
{
	return is_record(record);
}

bool vm_visit(struct vm_record *record)
{
	return is_record(record);
}

void vm_part(struct vm_record *record)
{
	is_record(record);
}

void vm_print_stats(const struct vm *vm)
{
}

void vm_console_give(int index)
{
	/*@ assert a_vm_or_none: -1 <= index < CONFIG_MAX_VMS; */
}

const struct mitigation_choice *mitigation_chosen(void)
{
	static struct mitigation_choice choice;

	choice.smt = any8 & 1;
	return &choice;
}

int mitigation_request(const struct mitigation_choice *choice)
{
	return any8 ? 0 : -1;
}

bool config_mitigation_named(const char *name, enum hypercall_policy *mitigation)
{
	/*@ assert ends: strlen(name) < MONITOR_LINE_SIZE; */
	*mitigation = (enum hypercall_policy)any_within(0, HYPERCALL_POLICY_COUNT - 1);
	return any8 & 1;
}

unsigned vcpu_copy_trace(const struct vcpu *vcpu, struct hypercall_trace *out, unsigned max)
{
	any_bytes(out, max * sizeof(*out));
	return any_within(0, max);
}

const char *exit_reason_name(unsigned reason)
{
	return "a reason";
}

void frames_stats(struct frames_stats *stats)
{
	any_bytes(stats, sizeof(*stats));
}

void stack_goes_deep(void)
{
}

unsigned audit_run(const char *when)
{
	return any32;
}

int run_status(void)
{
	return (int)any_within(0, 1);
}

_Noreturn void run_end(int64_t status, const char *reason)
{
	prove_end();
}

/* What nothing comes back from. */
void console_printf(const char *fmt, ...)
{
}

void mitigation_report(void)
{
}

void monitor_show_top(bool first)
{
}

void vcpu_post_trace(struct vcpu *vcpu)
{
}

void vcpu_dump(const struct vm_record *record, const struct vcpu *vcpu)
{
}

void record_begin(const char *type)
{
}

void record_str(const char *key, const char *value)
{
}

void record_u64(const char *key, uint64_t value)
{
}

void record_hex(const char *key, uint64_t value)
{
}

void record_end(void)
{
}

static void any_vms(void)
{
	any_bytes(&config, sizeof(config));
	config.vm_count = any_within(0, CONFIG_MAX_VMS);
	//@ loop unroll CONFIG_MAX_VMS;
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		struct vm_record *record = &vm_records[i];

		config.vms[i].name[CONFIG_NAME_LEN - 1] = '\0';
		config.vms[i].vcpus = any_within(1, CONFIG_MAX_VCPUS);
		record->config = &config.vms[i];
		record->state = (enum vm_state)any_within(VM_ABSENT, VM_ENDING);
		record->wish = (enum vm_wish)any8;
		record->held = any8;
		record->vm = &the_vm;
		//@ loop unroll CONFIG_MAX_VCPUS;
		for (unsigned v = 0; v < CONFIG_MAX_VCPUS; v++) {
			record->cpu[v] = any32;
			record->vcpus[v] = &the_vcpu;
		}
	}
}

void vm_breathe(void)
{
}

void prove(void)
{
	char text[MONITOR_LINE_SIZE];
	struct monitor_wait wait;

	any_vms();
	while (any8) {
		any_bytes(text, sizeof(text));
		text[MONITOR_LINE_SIZE - 1] = '\0';
		mitigation_changing = any8 & 1;
		the_vcpu.work = any32;
		wait = monitor_execute(text);
		/*@ assert a_vm: wait.vm < CONFIG_MAX_VMS; */
		if (wait.what != WAIT_NOTHING && wait.what != WAIT_TOP) {
			monitor_wait_is_over(&wait);
			monitor_wait_give_up(&wait);
		}
	}
}
