// SPDX-License-Identifier: MIT
/* `mitigation =`: of all keys the one whose values the monitor takes, too. */
#include "hv/base/string.h"
#include "hv/config/config.h"
#include "hv/config/keys.h"
#include "hv/config/text.h"

static const char *const names[] = { HYPERCALL_POLICIES(HYPERCALL_POLICY_WORD) };

bool config_mitigation_is(struct text name, enum hypercall_policy *mitigation)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (text_is(name, names[i])) {
			*mitigation = (enum hypercall_policy)i;
			return true;
		}
	}
	return false;
}

bool config_mitigation_named(const char *name, enum hypercall_policy *mitigation)
{
	return config_mitigation_is((struct text){ name, name + strlen(name) }, mitigation);
}
