/* fuzz-sources: boot/files.c hv/config/config.c hv/config/keys.c hv/config/mitigation.c hv/config/net.c hv/config/text.c hv/monitor/line.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
/*
 * Text of any bytes: a configuration, or keys that are typed at the monitor's prompt. The last byte
 * chooses.
 */
#include "boot/files.h"
#include "hv/config/config.h"
#include "hv/monitor/line.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool truth)
{
	if (!truth)
		abort();
}

#define NEED_END(text) need(memchr(text, 0, sizeof(text)) != NULL)

static void check_vm(const struct config_vm *vm)
{
	NEED_END(vm->name);
	NEED_END(vm->kernel);
	NEED_END(vm->initrd);
	NEED_END(vm->cmdline);
	need(vm->bad || (vm->kernel[0] && vm->vcpus >= 1 && vm->vcpus <= CONFIG_MAX_VCPUS));
	need(vm->memory >= MIB(2) && vm->memory % MIB(2) == 0);
	need(vm->module_count <= CONFIG_MAX_MODULES && vm->disk_count <= CONFIG_MAX_DISKS &&
	     vm->nic_count <= CONFIG_MAX_NICS);
	for (unsigned i = 0; i < vm->module_count; i++) {
		NEED_END(vm->modules[i].name);
		NEED_END(vm->modules[i].text);
		need(!strncmp(vm->modules[i].text, vm->modules[i].name,
			      strlen(vm->modules[i].name)));
	}
	for (unsigned i = 0; i < vm->disk_count; i++) {
		NEED_END(vm->disks[i].file);
		need(vm->disks[i].file[0]);
	}
}

static void check_networks(const struct config *cfg)
{
	uint64_t macs[CONFIG_MAX_VMS * CONFIG_MAX_NICS];
	unsigned n = 0;

	need(cfg->network_count <= CONFIG_MAX_NETWORKS);
	for (unsigned i = 0; i < cfg->network_count; i++)
		NEED_END(cfg->networks[i]);
	for (unsigned i = 0; i < cfg->vm_count; i++) {
		for (unsigned j = 0; j < cfg->vms[i].nic_count; j++) {
			macs[n] = cfg->vms[i].nics[j].mac;
			need(cfg->vms[i].nics[j].network < cfg->network_count);
			for (unsigned k = 0; k < n; k++)
				need(macs[k] != macs[n]);
			n++;
		}
	}
}

static void feed_config(const char *text, size_t size)
{
	static struct config cfg;
	static struct boot_info info;

	config_parse(&cfg, text, size);
	need(cfg.vm_count <= CONFIG_MAX_VMS && (cfg.vm_count || cfg.error_count));
	for (unsigned i = 0; i < cfg.error_count && i < CONFIG_MAX_ERRORS; i++) {
		NEED_END(cfg.errors[i]);
		for (const char *c = cfg.errors[i]; *c; c++)
			need(*c >= ' ' && *c <= '~');
	}
	for (unsigned i = 0; i < cfg.vm_count; i++)
		check_vm(&cfg.vms[i]);
	check_networks(&cfg);

	info.file_count = 1;
	strcpy(info.files[0].name, BOOT_CONFIG_NAME);
	info.files[0].base = HPA((uint64_t)text);
	info.files[0].size = size;
	files_expect_named(&info);
	need(info.file_count <= BOOT_MAX_FILES);
	for (unsigned i = 0; i < cfg.vm_count; i++)
		need(!cfg.vms[i].kernel[0] || files_find(&info, cfg.vms[i].kernel));
}

static void feed_line(const char *keys, size_t size)
{
	static const struct monitor_line empty;
	struct monitor_line line = empty;
	char echo[MONITOR_ECHO_SIZE];

	for (size_t i = 0; i < size; i++) {
		if (monitor_line_key(&line, keys[i], echo))
			monitor_line_keep(&line);
		NEED_END(echo);
		need(strlen(line.text) == line.length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[size - 1] % 8 == 7)
		feed_line((const char *)data, size - 1);
	else
		feed_config((const char *)data, size);
	return 0;
}
