/* unit-sources: hv/sched/place.c */
/* SPDX-License-Identifier: MIT */
#include "guest-tests/unit/unit.h"
#include "hv/sched/place.h"

#include <string.h>

/* Two cores of two threads, as firmware often numbers them: threads of a core are not neighbours.
 */
static const struct place_cpu apart[4] = { { 0, true }, { 1, true }, { 0, true }, { 1, true } };
static const struct place_cpu together[4] = { { 0, true }, { 0, true }, { 2, true }, { 2, true } };
static unsigned load[4];
static uint32_t chosen[CONFIG_MAX_VCPUS];
static struct config_vm vm;

static int place(const struct place_cpu *cpus, unsigned vcpus, uint64_t mask)
{
	vm.vcpus = vcpus;
	vm.cpu_mask = mask;
	memset(chosen, 0xff, sizeof(chosen));
	return place_vm(&vm, cpus, 4, load, chosen);
}

static void reset(void)
{
	memset(load, 0, sizeof(load));
}

TEST(whole_cores_are_filled_first)
{
	reset();
	CHECK(place(apart, 2, 0) == 0 && chosen[0] == 0 && chosen[1] == 2);
	CHECK(place(apart, 2, 0) == 0 && chosen[0] == 1 && chosen[1] == 3);
	CHECK(load[0] == 1 && load[1] == 1);
	CHECK(place(apart, 4, 0) == 0);
	CHECK(chosen[0] == 0 && chosen[1] == 2 && chosen[2] == 1 && chosen[3] == 3);
	CHECK(load[0] == 2 && load[1] == 2);
}

TEST(the_core_with_the_fewest_vms_comes_first)
{
	reset();
	CHECK(place(together, 1, 0) == 0 && chosen[0] == 0);
	CHECK(place(together, 1, 0) == 0 && chosen[0] == 2);
	CHECK(place(together, 1, 0) == 0 && chosen[0] == 0);
	CHECK(load[0] == 2 && load[2] == 1);
	CHECK(place(together, 1, 0) == 0 && chosen[0] == 2);
}

TEST(a_list_is_taken_as_it_is)
{
	reset();
	CHECK(place(together, 2, 0xa) == 0 && chosen[0] == 1 && chosen[1] == 3);
	CHECK(load[0] == 1 && load[2] == 1);
	CHECK(place(together, 1, 0x8) == 0 && chosen[0] == 3);
	CHECK(load[0] == 1 && load[2] == 2);
}

TEST(too_few_cpus_are_counted)
{
	static const struct place_cpu parked[4] = {
		{ 0, true }, { 0, false }, { 2, true }, { 2, false }
	};

	reset();
	CHECK(place(together, 5, 0) == -5);
	CHECK(place(together, 2, 0x2) == -2);
	CHECK(place(together, 1, 0x100) == -1);
	CHECK(place(parked, 3, 0) == -3);
	CHECK(load[0] == 0 && load[2] == 0);
	CHECK(place(parked, 2, 0) == 0 && chosen[0] == 0 && chosen[1] == 2);
}

UNIT_MAIN
