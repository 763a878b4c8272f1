// SPDX-License-Identifier: MIT
/*
 * The command `cloister` for Linux guests of a VM with `user-hypercalls = on`: what the hypervisor
 * says of this VM, marks in its records, the mitigation policy.
 */
#include "hv/base/hypercall_guest.h"

#include "hv/base/errno.h"
#include "vmx/exit_reason.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABEL 32
#define WORD_OF(field) (offsetof(struct hypercall_stats, field) / 8)

static const char *const policies[] = { HYPERCALL_POLICIES(HYPERCALL_POLICY_WORD) };

static const struct {
	const char *name;
	unsigned word;
} counters[] = {
	{ "exits", WORD_OF(exits) },
	{ "exits_restricted", WORD_OF(exits_restricted) },
	{ "escalations", WORD_OF(escalations) },
	{ "l1d_flush_msr", WORD_OF(l1d_flush_msr) },
	{ "l1d_flush_software", WORD_OF(l1d_flush_software) },
	{ "verw", WORD_OF(verw) },
	{ "injected", WORD_OF(injected) },
	{ "stuns_sent", WORD_OF(stuns_sent) },
	{ "stunned", WORD_OF(stunned) },
};

static int usage(void)
{
	fputs("usage: cloister version\n"
	      "       cloister stats [--json]\n"
	      "       cloister policy [MODE [paranoid] [smt-off]]\n"
	      "       cloister mark LABEL VALUE\n",
	      stderr);
	return 2;
}

/* Says why a call failed; the exit status. */
static int failed(const char *what, int64_t result)
{
	const char *why = "the hypervisor refuses";

	switch (-result) {
	case E_PERM:
		why = "not allowed: this VM's section needs user-hypercalls = on, and "
		      "set-policy = on to change the policy";
		break;
	case E_NOENT:
		why = "this hypervisor is too old for it";
		break;
	case E_BUSY:
		why = "an earlier change is still under way: try again";
		break;
	case E_INVAL:
	case E_NOTSUP:
		why = "this machine cannot do it";
		break;
	}
	fprintf(stderr, "cloister: %s: %s (%" PRId64 ")\n", what, why, result);
	return 1;
}

static int version(void)
{
	int64_t abi = cloister_version();

	if (abi < 0)
		return failed("version", abi);
	printf("Cloister, hypercall ABI %" PRId64 "\n", abi);
	return 0;
}

static void print_counters(const struct hypercall_stats *stats, bool json)
{
	const uint64_t *words = (const uint64_t *)stats;
	bool first = true;

	for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		printf(json ? "%s\"%s\":%" PRIu64 : "%s%-20s %" PRIu64 "\n", json && i ? "," : "",
		       counters[i].name, words[counters[i].word]);
	fputs(json ? ",\"exits_by_reason\":{" : "\nreason                    exits        ticks\n",
	      stdout);
	for (unsigned i = 0; i < HYPERCALL_STATS_REASONS; i++) {
		if (!stats->exits_by_reason[i])
			continue;
		if (json)
			printf("%s\"%s\":{\"exits\":%" PRIu64 ",\"ticks\":%" PRIu64 "}",
			       first ? "" : ",", exit_reason_name(i), stats->exits_by_reason[i],
			       stats->ticks_by_reason[i]);
		else
			printf("%-20s %10" PRIu64 " %12" PRIu64 "\n", exit_reason_name(i),
			       stats->exits_by_reason[i], stats->ticks_by_reason[i]);
		first = false;
	}
}

/* A word a call: the counters go on meanwhile, by one exit each at least. */
static int stats(bool json)
{
	struct hypercall_stats all;
	int64_t head = cloister_stats_word(0);
	uint64_t size;

	if (head < 0)
		return failed("stats", head);
	/* An older hypervisor knows fewer counters, a newer one more. */
	memset(&all, 0, sizeof(all));
	memcpy(&all, &head, sizeof(head));
	size = all.size < sizeof(all) ? all.size : sizeof(all);
	for (uint64_t i = 1; i < size / 8; i++) {
		int64_t word = cloister_stats_word(i);

		if (word < 0)
			return failed("stats", word);
		memcpy((uint8_t *)&all + i * 8, &word, sizeof(word));
	}
	fputs(json ? "{" : "", stdout);
	print_counters(&all, json);
	fputs(json ? "}}\n" : "", stdout);
	return 0;
}

static int show_policy(void)
{
	int64_t now = cloister_policy();

	if (now < 0)
		return failed("policy", now);
	printf("%s%s%s%s\n",
	       (uint64_t)(now & 0xff) < HYPERCALL_POLICY_COUNT ? policies[now & 0xff] : "unknown",
	       now & HYPERCALL_POLICY_PARANOID ? " paranoid" : "",
	       now & HYPERCALL_POLICY_SMT_OFF ? " smt-off" : "",
	       now & HYPERCALL_POLICY_CHANGING ? " (changing)" : "");
	return 0;
}

static int set_policy(int count, char **words)
{
	uint64_t wanted = 0;
	int64_t result;

	while (wanted < HYPERCALL_POLICY_COUNT && strcmp(words[0], policies[wanted]) != 0)
		wanted++;
	if (wanted == HYPERCALL_POLICY_COUNT) {
		fprintf(stderr, "cloister: policy %s: allowed are", words[0]);
		for (unsigned i = 0; i < HYPERCALL_POLICY_COUNT; i++)
			fprintf(stderr, " %s", policies[i]);
		fputc('\n', stderr);
		return 2;
	}
	for (int i = 1; i < count; i++) {
		if (!strcmp(words[i], "paranoid"))
			wanted |= HYPERCALL_POLICY_PARANOID;
		else if (!strcmp(words[i], "smt-off"))
			wanted |= HYPERCALL_POLICY_SMT_OFF;
		else
			return usage();
	}
	result = cloister_set_policy(wanted);
	return result < 0 ? failed("policy", result) : show_policy();
}

static int mark(const char *label, const char *text)
{
	char *end;
	uint64_t value;
	int64_t result;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno) {
		fprintf(stderr, "cloister: mark: %s is not a number from 0 to 2^64 - 1\n", text);
		return 2;
	}
	if (strlen(label) > MAX_LABEL) {
		fprintf(stderr, "cloister: mark: a label has up to %d characters\n", MAX_LABEL);
		return 2;
	}
	result = cloister_mark(label, value);
	return result < 0 ? failed("mark", result) : 0;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (!*command)
		return usage();
	/* VMCALL would be an invalid instruction there. */
	if (!cloister_is_here()) {
		fputs("cloister: this is not a guest of Cloister\n", stderr);
		return 3;
	}
	if (!strcmp(command, "version") && argc == 2)
		return version();
	if (!strcmp(command, "stats") && argc == 2)
		return stats(false);
	if (!strcmp(command, "stats") && argc == 3 && !strcmp(argv[2], "--json"))
		return stats(true);
	if (!strcmp(command, "policy") && argc == 2)
		return show_policy();
	if (!strcmp(command, "policy") && argc <= 5)
		return set_policy(argc - 2, argv + 2);
	if (!strcmp(command, "mark") && argc == 4)
		return mark(argv[2], argv[3]);
	return usage();
}
