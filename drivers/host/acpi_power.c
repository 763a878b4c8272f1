// SPDX-License-Identifier: MIT
/* The fixed power hardware: FADT (ACPI 6.4, 5.2.9) and \_S5 (7.4.2). */
#include "drivers/host/acpi.h"
#include "drivers/host/acpi_table.h"

enum fadt_field {
	FADT_DSDT = 40,
	FADT_SCI = 46,
	FADT_SMI_COMMAND = 48,
	FADT_ACPI_ENABLE = 52,
	FADT_PM1A_EVENT = 56,
	FADT_PM1B_EVENT = 60,
	FADT_PM1A_CONTROL = 64,
	FADT_PM1B_CONTROL = 68,
	FADT_GPE0 = 80,
	FADT_GPE1 = 84,
	FADT_EVENT_SIZE = 88,
	FADT_CONTROL_SIZE = 89,
	FADT_GPE0_SIZE = 92,
	FADT_GPE1_SIZE = 93,
	FADT_FLAGS = 112,
	FADT_END_1 = 116, /* of ACPI 1.0 */
	FADT_X_DSDT = 140,
	FADT_X_PM1A_EVENT = 148,
	FADT_X_PM1B_EVENT = 160,
	FADT_X_PM1A_CONTROL = 172,
	FADT_X_PM1B_CONTROL = 184,
	FADT_X_GPE0 = 220,
	FADT_X_GPE1 = 232,
	FADT_END_2 = 244, /* of ACPI 2.0 */
};
#define FADT_POWER_BUTTON_IS_DEVICE BIT(4)
#define FADT_HARDWARE_REDUCED BIT(20)

/* A generic address is 12 bytes: space, width, offset, access, address. */
enum { GAS_ADDRESS = 4, GAS_SPACE_IO = 1 };

/* Status and enable, or control, are words. */
#define EVENT_SIZE 4
#define CONTROL_SIZE 2

enum aml_code {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_PACKAGE = 0x12,
};
#define SLEEP_TYPE_MASK 7

static bool sums_to_zero(const struct acpi_header *t)
{
	uint32_t length = acpi_length(t);
	uint8_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)t)[i]);
	return sum == 0;
}

/* The number at *@at, which goes behind it; false: there is no constant. */
static bool take_number(const uint8_t *aml, uint64_t size, uint64_t *at, uint8_t *value)
{
	unsigned bytes;

	if (*at >= size)
		return false;
	switch (aml[*at]) {
	case AML_ZERO:
	case AML_ONE:
		*value = aml[(*at)++];
		return true;
	case AML_BYTE:
		bytes = 1;
		break;
	case AML_WORD:
		bytes = 2;
		break;
	case AML_DWORD:
		bytes = 4;
		break;
	default:
		return false;
	}
	if (size - *at <= bytes)
		return false;
	*value = aml[*at + 1] & SLEEP_TYPE_MASK;
	*at += 1 + bytes;
	return true;
}

/* What stands behind the name. */
static bool take_package(const uint8_t *aml, uint64_t size, uint64_t at, uint8_t type[2])
{
	uint8_t count;

	if (at + 2 >= size || aml[at] != AML_PACKAGE)
		return false;
	at += 2 + (aml[at + 1] >> 6); /* the length has up to three bytes more */
	if (at >= size)
		return false;
	count = aml[at++];
	type[1] = 0;
	return count >= 1 && take_number(aml, size, &at, &type[0]) &&
	       (count < 2 || take_number(aml, size, &at, &type[1]));
}

bool acpi_find_s5(const uint8_t *aml, uint64_t size, uint8_t type[2])
{
	for (uint64_t at = 2; at + 4 <= size; at++) {
		if (memcmp(aml + at, "_S5_", 4) != 0)
			continue;
		if (aml[at - 1] != AML_NAME && (aml[at - 1] != '\\' || aml[at - 2] != AML_NAME))
			continue;
		if (take_package(aml, size, at + 4, type))
			return true;
	}
	return false;
}

static bool has_s5(const struct acpi_header *t, uint8_t type[2])
{
	return t && sums_to_zero(t) &&
	       acpi_find_s5((const uint8_t *)(t + 1), acpi_length(t) - sizeof(*t), type);
}

static bool find_s5(const struct acpi_header *dsdt, const struct acpi_header *list, unsigned size,
		    acpi_reach_t reach, uint8_t type[2])
{
	bool end = false;

	if (has_s5(dsdt, type))
		return true;
	for (unsigned i = 0; !end; i++) {
		const struct acpi_header *t = acpi_table(list, size, i, reach, &end);

		if (t && !memcmp(t->signature, "SSDT", 4) && has_s5(t, type))
			return true;
	}
	return false;
}

/* A block of ports, told by the wide field @wide if that is filled in; 0: there is none, or it is
 * no ports. */
static uint16_t port_of(const struct acpi_header *fadt, unsigned narrow, unsigned wide)
{
	const uint8_t *base = (const uint8_t *)fadt, *gas = base + wide;
	uint64_t address = acpi_get(base + narrow, 4);

	if (fadt->length >= FADT_END_2 && acpi_get(gas + GAS_ADDRESS, 8)) {
		if (gas[0] != GAS_SPACE_IO)
			return 0;
		address = acpi_get(gas + GAS_ADDRESS, 8);
	}
	return address <= UINT16_MAX ? (uint16_t)address : 0;
}

static void read_ports(const struct acpi_header *fadt, struct acpi_power *power)
{
	const uint8_t *base = (const uint8_t *)fadt;
	uint64_t smi = acpi_get(base + FADT_SMI_COMMAND, 4);

	if (smi && smi <= UINT16_MAX) {
		power->smi_command = (uint16_t)smi;
		power->acpi_enable = base[FADT_ACPI_ENABLE];
	}
	power->status[0] = port_of(fadt, FADT_PM1A_EVENT, FADT_X_PM1A_EVENT);
	power->status[1] = port_of(fadt, FADT_PM1B_EVENT, FADT_X_PM1B_EVENT);
	power->control[0] = port_of(fadt, FADT_PM1A_CONTROL, FADT_X_PM1A_CONTROL);
	power->control[1] = port_of(fadt, FADT_PM1B_CONTROL, FADT_X_PM1B_CONTROL);
	for (unsigned i = 0; i < 2; i++)
		if (power->status[i])
			power->enable[i] = (uint16_t)(power->status[i] + base[FADT_EVENT_SIZE] / 2);
	power->gpe[0].port = port_of(fadt, FADT_GPE0, FADT_X_GPE0);
	power->gpe[0].size = base[FADT_GPE0_SIZE];
	power->gpe[1].port = port_of(fadt, FADT_GPE1, FADT_X_GPE1);
	power->gpe[1].size = base[FADT_GPE1_SIZE];
}

void acpi_read_fadt(const struct acpi_header *fadt, const struct acpi_header *list, unsigned size,
		    acpi_reach_t reach, struct acpi_facts *facts)
{
	struct acpi_power *power = &facts->power;
	const uint8_t *base = (const uint8_t *)fadt;
	uint64_t flags, dsdt = 0;

	if (fadt->length < FADT_END_1 || !sums_to_zero(fadt))
		return;
	flags = acpi_get(base + FADT_FLAGS, 4);
	if ((flags & (FADT_POWER_BUTTON_IS_DEVICE | FADT_HARDWARE_REDUCED)) ||
	    base[FADT_EVENT_SIZE] < EVENT_SIZE || base[FADT_CONTROL_SIZE] < CONTROL_SIZE)
		return;
	read_ports(fadt, power);
	if (fadt->length >= FADT_X_DSDT + 8)
		dsdt = acpi_get(base + FADT_X_DSDT, 8);
	if (!dsdt)
		dsdt = acpi_get(base + FADT_DSDT, 4);
	power->sci = base[FADT_SCI];
	power->line = (struct acpi_line){ power->sci, true, true };
	power->usable = power->status[0] && power->control[0] &&
			find_s5(acpi_table_at(dsdt, reach), list, size, reach, power->sleep_type);
}
