/* SPDX-License-Identifier: MIT */
/* The keys of cloister.conf and what their values may be. Pure; only for hv/config/config.c. */
#ifndef HV_CONFIG_KEYS_H
#define HV_CONFIG_KEYS_H

#include "hv/config/config.h"
#include "hv/config/text.h"

#define CONFIG_KEY_LEN 25 /* of a key that may be one, with the 0 at the end */

/** Where a value goes. */
struct config_target {
	struct config *cfg;
	struct config_vm *vm; /* not among cfg's yet; NULL in [hypervisor] */
	unsigned line;
};

struct config_key {
	const char *name; /* shorter than CONFIG_KEY_LEN */
	/* Takes the value over. False if it is not allowed; then [hypervisor] is as before. */
	bool (*set)(const struct config_target *target, struct text value);
	const char *allowed; /* in words */
};

/** The keys that one kind of section may hold. */
struct config_keys {
	const struct config_key *keys;
	unsigned count;
};

/** Takes a value of `net`: a card per network; what begins with mac= belongs to the card before it.
 */
ANY bool config_set_net(const struct config_target *target, struct text value);

/** The policy that @name names; false if none. hv/config/mitigation.c. */
ANY bool config_mitigation_is(struct text name, enum hypercall_policy *mitigation);

extern const struct config_keys config_keys_hypervisor, config_keys_vm;

/** May a section have several lines of this key? */
ANY bool config_key_repeats(const struct config_key *key);

/** Writes the names of the keys that this version takes, with commas. */
ANY void config_keys_list(const struct config_keys *keys, char *out, size_t size);

/** The key that was probably meant by the unknown @name, NULL if none is near. */
ANY const struct config_key *config_keys_nearest(const struct config_keys *keys,
						 const char name[CONFIG_KEY_LEN]);

#endif
