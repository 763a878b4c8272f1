// SPDX-License-Identifier: MIT
/* `net =`: which networks a VM has cards on, and their addresses. */
#include "hv/base/string.h"
#include "hv/config/config.h"
#include "hv/config/keys.h"
#include "hv/config/text.h"

/* "52:54:00:12:34:56": unicast and not zero. */
static bool parse_mac(struct text s, uint64_t *mac)
{
	*mac = 0;
	for (unsigned i = 0; i < 12; i++) {
		char c = s.at < s.end ? (char)(*s.at++ | 0x20) : ' ';
		uint64_t digit = c >= 'a' && c <= 'f'	? (uint64_t)(c - 'a' + 10)
				 : c >= '0' && c <= '9' ? (uint64_t)(c - '0')
							: 16;

		if (digit == 16 || (i % 2 && i < 11 && !text_take(&s, ':')))
			return false;
		*mac |= digit << (i % 2 ? 4 * (i - 1) : 4 * (i + 1));
	}
	return text_ends(&s) && *mac && !(*mac & 1);
}

/* Stable, as guests name their interfaces by it: FNV-1a of the VM's name and the card's number, in
 * a locally administered address. */
static uint64_t default_mac(const struct config_vm *vm)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (unsigned i = 0; i < CONFIG_NAME_LEN && vm->name[i]; i++)
		hash = (hash ^ (uint8_t)vm->name[i]) * 0x100000001b3ULL;
	hash = (hash ^ vm->nic_count) * 0x100000001b3ULL;
	return (hash << 8 & 0xffffffffff00ULL) | 0x02;
}

static bool has_mac(const struct config_vm *vm, uint64_t mac)
{
	for (unsigned i = 0; i < vm->nic_count; i++)
		if (vm->nics[i].mac == mac)
			return true;
	return false;
}

static bool mac_is_taken(const struct config_target *target, uint64_t mac)
{
	for (unsigned i = 0; i < target->cfg->vm_count; i++)
		if (has_mac(&target->cfg->vms[i], mac))
			return true;
	return has_mac(target->vm, mac);
}

/* A network exists by being named. -1: a bad name, or one too many. */
static int find_network(struct config *cfg, struct text name)
{
	char copy[CONFIG_NETWORK_LEN];
	unsigned n = cfg->network_count;

	if (text_ends(&name) || !text_copy(name, copy, sizeof(copy)))
		return -1;
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(cfg->networks[i], copy))
			return (int)i;
	for (; name.at < name.end; name.at++)
		if (*name.at <= ' ' || *name.at > '~' || *name.at == '=')
			return -1;
	if (n >= CONFIG_MAX_NETWORKS)
		return -1;
	memcpy(cfg->networks[n], copy, sizeof(copy));
	cfg->network_count = n + 1;
	return (int)n;
}

/* NULL: it cannot be. */
static struct config_nic *add_nic(const struct config_target *target, struct text name)
{
	struct config_vm *vm = target->vm;
	unsigned n = vm->nic_count;
	int network;

	if (n >= CONFIG_MAX_NICS)
		return NULL;
	network = find_network(target->cfg, name);
	if (network < 0 || mac_is_taken(target, default_mac(vm)))
		return NULL;
	vm->nics[n] = (struct config_nic){ (uint8_t)network, default_mac(vm) };
	vm->nic_count = n + 1;
	return &vm->nics[n];
}

bool config_set_net(const struct config_target *target, struct text value)
{
	struct config_nic *nic = NULL;
	bool more;

	do {
		struct text word = text_take_until(&value, ",");
		uint64_t mac;

		more = word.end < value.end;
		text_trim(&word);
		if (text_take_word(&word, "mac=")) {
			if (!nic || !parse_mac(word, &mac) || mac_is_taken(target, mac))
				return false;
			nic->mac = mac;
		} else {
			nic = add_nic(target, word);
			if (!nic)
				return false;
		}
	} while (more);
	return true;
}
