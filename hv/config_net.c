// SPDX-License-Identifier: MIT
/* `net =`: which networks a VM has cards on, and their addresses. */
#include "hv/config_keys.h"

#include "hv/lib/string.h"

/* "52:54:00:12:34:56": unicast and not zero. */
static bool parse_mac(const char *s, uint64_t *mac)
{
	*mac = 0;
	for (unsigned i = 0; i < 12; i++) {
		char c = (char)(*s++ | 0x20);
		uint64_t digit = c >= 'a' && c <= 'f'	? (uint64_t)(c - 'a' + 10)
				 : c >= '0' && c <= '9' ? (uint64_t)(c - '0')
							: 16;

		if (digit == 16)
			return false;
		*mac |= digit << (i % 2 ? 4 * (i - 1) : 4 * (i + 1));
		if (i % 2 && *s++ != (i < 11 ? ':' : '\0'))
			return false;
	}
	return *mac && !(*mac & 1);
}

/* Stable, as guests name their interfaces by it: FNV-1a of the VM's name and the card's number, in
 * a locally administered address. */
static uint64_t default_mac(const struct config_vm *vm)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (const char *c = vm->name; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3ULL;
	hash = (hash ^ vm->nic_count) * 0x100000001b3ULL;
	return (hash << 8 & 0xffffffffff00ULL) | 0x02;
}

static bool mac_is_taken(const struct config *cfg, uint64_t mac)
{
	for (unsigned i = 0; i < cfg->vm_count; i++)
		for (unsigned j = 0; j < cfg->vms[i].nic_count; j++)
			if (cfg->vms[i].nics[j].mac == mac)
				return true;
	return false;
}

/* A network exists by being named. False: a bad name, or one too many. */
static bool find_network(struct config *cfg, const char *name, uint8_t *network)
{
	for (*network = 0; *network < cfg->network_count; (*network)++)
		if (!strcmp(cfg->networks[*network], name))
			return true;
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '=')
			return false;
	if (!*name || cfg->network_count == CONFIG_MAX_NETWORKS ||
	    str_copy(cfg->networks[*network], name, CONFIG_NETWORK_LEN) >= CONFIG_NETWORK_LEN)
		return false;
	cfg->network_count++;
	return true;
}

bool config_set_net(const struct config_target *target, const char *value)
{
	struct config_vm *vm = target->vm;
	bool first = true;

	for (;; first = false) {
		char word[32] = "";
		unsigned n = 0;
		uint64_t mac;

		for (; *value && *value != ',' && *value != ' ' && n < sizeof(word) - 1; value++)
			word[n++] = *value;
		word[n] = '\0';
		if (!strncmp(word, "mac=", 4)) {
			if (first || !parse_mac(word + 4, &mac) || mac_is_taken(target->cfg, mac))
				return false;
			vm->nics[vm->nic_count - 1].mac = mac;
		} else {
			struct config_nic *nic = &vm->nics[vm->nic_count];

			if (vm->nic_count == CONFIG_MAX_NICS ||
			    !find_network(target->cfg, word, &nic->network) ||
			    mac_is_taken(target->cfg, default_mac(vm)))
				return false;
			nic->mac = default_mac(vm);
			vm->nic_count++;
		}
		while (*value == ' ')
			value++;
		if (!*value)
			return true;
		if (*value++ != ',')
			return false;
		while (*value == ' ')
			value++;
	}
}
