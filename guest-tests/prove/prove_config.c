/* prove: hv/config/config.c hv/config/keys.c hv/config/mitigation.c hv/config/net.c hv/config/text.c */
/* prove-with: guest-tests/prove/text.c hv/base/string.c */
/* prove-options: precision=0 coverage=98 -eva-plevel=100 -eva-slevel=20 -eva-auto-loop-unroll=32 -eva-slevel-function=config_keys_nearest:0,edit_distance:0,apply:100 */
/* SPDX-License-Identifier: MIT */
/* A file of any bytes. */
#include "hv/config/config.h"
#include "hv/base/string.h"

static struct config config;
static char file[0x10000];

/* What prove_files.c and the core go by. */
static void is_complete(void)
{
	/*@ assert counts: config.vm_count <= CONFIG_MAX_VMS &&
	    config.network_count <= CONFIG_MAX_NETWORKS; */
	//@ loop unroll CONFIG_MAX_VMS;
	for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
		const struct config_vm *vm = &config.vms[i];

		/*@ assert counts_of_vm: vm->module_count <= CONFIG_MAX_MODULES &&
		    vm->disk_count <= CONFIG_MAX_DISKS && vm->nic_count <= CONFIG_MAX_NICS &&
		    vm->vcpus <= CONFIG_MAX_VCPUS; */
		/*@ assert names_end: vm->name[CONFIG_NAME_LEN - 1] == 0 &&
		    vm->kernel[CONFIG_FILE_LEN - 1] == 0 && vm->initrd[CONFIG_FILE_LEN - 1] == 0 &&
		    vm->cmdline[CONFIG_CMDLINE_LEN - 1] == 0; */
		/*@ assert names_of_modules_end: \forall integer m; 0 <= m < CONFIG_MAX_MODULES ==>
		    vm->modules[m].name[CONFIG_FILE_LEN - 1] == 0 &&
		    vm->modules[m].text[CONFIG_MODULE_LEN - 1] == 0; */
		/*@ assert names_of_disks_end: \forall integer d; 0 <= d < CONFIG_MAX_DISKS ==>
		    vm->disks[d].file[CONFIG_FILE_LEN - 1] == 0; */
	}
}

void prove(void)
{
	char word[32];
	enum hypercall_policy mitigation;

	//@ widen_hints global:"all", 4;
	//@ widen_hints global:config, 16;
	any_bytes(file, sizeof(file));
	any_bytes(word, sizeof(word));
	word[sizeof(word) - 1] = '\0';
	config_mitigation_named(word, &mitigation);
	config_parse(&config, file, any_within(0, sizeof(file)));
	is_complete();
}
