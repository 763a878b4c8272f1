/* unit-sources: hv/config/config.c hv/config/keys.c hv/config/mitigation.c hv/config/net.c hv/config/text.c hv/base/print.c hv/base/string.c */
/* SPDX-License-Identifier: MIT */
#include "hv/config/config.h"
#include "guest-tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config cfg;

/* Parses a copy of exactly the right size, so that the sanitizer sees each byte read too many. */
static void parse_bytes(const void *text, size_t size)
{
	char *copy = malloc(size + !size);

	memcpy(copy, text, size);
	memset(&cfg, 0xa5, sizeof(cfg));
	config_parse(&cfg, copy, size);
	free(copy);
}

static void parse(const char *text)
{
	parse_bytes(text, strlen(text));
}

/* One error, in that line, that says each of the words (separated by |). */
static bool only_error(const char *place, const char *words)
{
	char part[64];

	if (cfg.error_count != 1 || strncmp(cfg.errors[0], place, strlen(place))) {
		printf("%u errors, first: %s\n", cfg.error_count,
		       cfg.error_count ? cfg.errors[0] : "-");
		return false;
	}
	while (*words) {
		size_t n = strcspn(words, "|");

		snprintf(part, sizeof(part), "%.*s", (int)n, words);
		if (!strstr(cfg.errors[0], part)) {
			printf("lacks \"%s\": %s\n", part, cfg.errors[0]);
			return false;
		}
		words += n + (words[n] == '|');
	}
	return true;
}

/* A [hypervisor] line that must be refused while a good VM stays. */
static bool refuses(const char *line, const char *words)
{
	char text[2000];

	snprintf(text, sizeof(text), "[hypervisor]\n%s\n[vm a]\nkernel = k\n", line);
	parse(text);
	return only_error("cloister.conf:2: ", words) && cfg.vm_count == 1 && !cfg.vms[0].bad;
}

/* A VM's line that must be refused, and with it that VM only. */
static bool refuses_vm(const char *line, const char *words)
{
	char text[2000];

	snprintf(text, sizeof(text), "[vm a]\nkernel = k\n%s\n[vm b]\nkernel = k\n", line);
	parse(text);
	return only_error("cloister.conf:3: [vm a] ", words) && cfg.vm_count == 2 &&
	       cfg.vms[0].bad && !cfg.vms[1].bad;
}

static bool accepts_vm(const char *line)
{
	char text[2000];

	snprintf(text, sizeof(text), "[vm a]\nkernel = k\n%s\n", line);
	parse(text);
	return cfg.error_count == 0 && cfg.vm_count == 1 && !cfg.vms[0].bad;
}

TEST(config_complete)
{
	parse("# an example\n"
	      "[hypervisor]\n"
	      "console    = com1, com2   # both\n"
	      "mitigation = asi\n"
	      "paranoid   = on\n"
	      "smt        = off\n"
	      "timer      = preemption\n"
	      "debug-hypercalls = on\n"
	      "apicv = off\n"
	      "exit-port = 0xf4\n"
	      "[vm alpha]\n"
	      "kernel  = vmlinuz\n"
	      "initrd  = sub/initrd.img\n"
	      "cmdline = console=ttyS0 root=/dev/sda#1 quiet # not this\n"
	      "memory  = 512M\n"
	      "memory-mode = lazy\n"
	      "vcpus   = 1\n"
	      "cpus    = 0-1,3\n"
	      "console = uart\n"
	      "\n"
	      "[vm beta]\n"
	      "kernel = test.bin\n"
	      "format = flat\n"
	      "memory = 2G\n");
	CHECK(cfg.error_count == 0);
	CHECK(cfg.console == (CONFIG_CONSOLE_COM1 | CONFIG_CONSOLE_COM2));
	CHECK(cfg.mitigation == HYPERCALL_POLICY_ASI && cfg.paranoid && cfg.debug_hypercalls);
	CHECK(cfg.timer == CONFIG_TIMER_PREEMPTION && cfg.apicv_off);
	CHECK(cfg.exit_port == 0xf4);
	CHECK(cfg.vm_count == 2);

	const struct config_vm *vm = &cfg.vms[0];

	CHECK(!strcmp(vm->name, "alpha") && vm->line == 11 && !vm->bad);
	CHECK(!strcmp(vm->kernel, "vmlinuz") && vm->kernel_line == 12);
	CHECK(!strcmp(vm->initrd, "sub/initrd.img") && vm->initrd_line == 13);
	CHECK(!strcmp(vm->cmdline, "console=ttyS0 root=/dev/sda#1 quiet"));
	CHECK(vm->memory == MIB(512) && vm->memory_line == 15);
	CHECK(vm->vcpus == 1 && vm->cpu_mask == 0xb);
	CHECK(vm->format == CONFIG_FORMAT_AUTO && vm->populate == CONFIG_POPULATE_LAZY);
	CHECK(cfg.vms[1].format == CONFIG_FORMAT_FLAT && cfg.vms[1].memory == GIB(2));
}

TEST(config_defaults)
{
	parse("[vm a]\nkernel=k");
	CHECK(cfg.error_count == 0 && cfg.vm_count == 1);
	CHECK(cfg.console == (CONFIG_CONSOLE_COM1 | CONFIG_CONSOLE_FRAMEBUFFER));
	CHECK(cfg.mitigation == HYPERCALL_POLICY_AUTO && cfg.timer == CONFIG_TIMER_AUTO);
	CHECK(!cfg.apicv_off && cfg.exit_port == 0);
	CHECK(!cfg.paranoid && !cfg.debug_hypercalls);
	CHECK(cfg.vms[0].memory == MIB(256) && cfg.vms[0].vcpus == 1 && cfg.vms[0].cpu_mask == 0);
	CHECK(cfg.vms[0].populate == CONFIG_POPULATE_EAGER &&
	      cfg.vms[0].format == CONFIG_FORMAT_AUTO);
	CHECK(!cfg.vms[0].initrd[0] && !cfg.vms[0].cmdline[0]);
}

TEST(config_modules)
{
	char line[200] = "modules = ";
	const struct config_vm *vm = &cfg.vms[0];

	CHECK(accepts_vm("modules = a.img") && vm->module_count == 1 && vm->modules_line);
	CHECK(!strcmp(vm->modules[0].name, "a.img") && !strcmp(vm->modules[0].text, "a.img"));
	CHECK(accepts_vm("modules = a.img root=1  rw ,b.img,\tc d") && vm->module_count == 3);
	CHECK(!strcmp(vm->modules[0].name, "a.img") &&
	      !strcmp(vm->modules[0].text, "a.img root=1  rw"));
	CHECK(!strcmp(vm->modules[1].name, "b.img") && !strcmp(vm->modules[1].text, "b.img"));
	CHECK(!strcmp(vm->modules[2].name, "c") && !strcmp(vm->modules[2].text, "c d"));
	CHECK(accepts_vm("modules = a,b,c,d") && vm->module_count == 4);
	CHECK(refuses_vm("modules = a,b,c,d,e", "up to 4 file names"));
	CHECK(refuses_vm("modules =", "up to 4 file names"));
	CHECK(refuses_vm("modules = a,", "up to 4 file names"));
	CHECK(refuses_vm("modules = ,a", "up to 4 file names"));
	CHECK(refuses_vm("modules = a,, b", "up to 4 file names"));
	memset(line + 10, 'x', 64);
	CHECK(refuses_vm(line, "up to 4 file names")); /* a name of 64 */
	line[73] = ' ';
	CHECK(accepts_vm(line) && strlen(vm->modules[0].name) == 63);
	memset(line + 20, ' ', 20);
	memset(line + 40, 'y', 97);
	CHECK(accepts_vm(line) && strlen(vm->modules[0].text) == 127);
	line[137] = 'y';
	CHECK(refuses_vm(line, "up to 4 file names"));
}

TEST(config_text_forms)
{
	parse("[hypervisor]\r\nmitigation = off\r\n\r\n[vm a]\r\nkernel = k\r\ncmdline = x y\r\n");
	CHECK(cfg.error_count == 0 && cfg.mitigation == HYPERCALL_POLICY_OFF &&
	      !strcmp(cfg.vms[0].cmdline, "x y"));
	parse("\xef\xbb\xbf[vm a]\nkernel = k\n");
	CHECK(cfg.error_count == 0 && cfg.vm_count == 1);
	parse("  [ vm a ]  # comment\n\tkernel\t=\tk\t\n");
	CHECK(cfg.error_count == 0 && cfg.vm_count == 1 && !strcmp(cfg.vms[0].kernel, "k"));
	parse("[hypervisor]\nconsole = none\n[vm a]\nkernel = k\n");
	CHECK(cfg.error_count == 0 && cfg.console == 0);
	CHECK(accepts_vm("cmdline ="));
}

TEST(config_takes_every_policy)
{
	static const struct {
		const char *line;
		enum hypercall_policy mitigation;
	} policies[] = {
		{ "auto", HYPERCALL_POLICY_AUTO },
		{ "off", HYPERCALL_POLICY_OFF },
		{ "always-flush", HYPERCALL_POLICY_ALWAYS_FLUSH },
		{ "always-flush+stun", HYPERCALL_POLICY_ALWAYS_FLUSH_STUN },
		{ "cond-flush", HYPERCALL_POLICY_COND_FLUSH },
		{ "asi", HYPERCALL_POLICY_ASI },
		{ "asi+stun", HYPERCALL_POLICY_ASI_STUN },
	};

	for (unsigned i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		char text[100];

		snprintf(text, sizeof(text), "[hypervisor]\nmitigation = %s\n[vm a]\nkernel = k\n",
			 policies[i].line);
		parse(text);
		CHECK(cfg.error_count == 0 && cfg.mitigation == policies[i].mitigation);
	}
}

TEST(config_values_of_hypervisor)
{
	CHECK(refuses("console = com3", "console = com3|com1, com2, framebuffer"));
	CHECK(refuses("console =", "com1, com2"));
	CHECK(cfg.console == (CONFIG_CONSOLE_COM1 | CONFIG_CONSOLE_FRAMEBUFFER));
	CHECK(refuses("mitigation = stun", "stun|auto, off, always-flush, always-flush+stun, "
					   "cond-flush, asi or asi+stun"));
	CHECK(refuses("mitigation = asi +stun", "asi +stun|auto, off"));
	CHECK(refuses("mitigation = ASI", "ASI|auto, off"));
	CHECK(refuses("paranoid = yes", "on or off"));
	CHECK(refuses("smt = maybe", "smt = maybe|on or off"));
	parse("[hypervisor]\nsmt = off\n[vm a]\nkernel = k\n");
	CHECK(cfg.error_count == 0 && cfg.smt_off);
	CHECK(refuses("timer = hpet", "auto, deadline or preemption"));
	CHECK(refuses("apicv = on", "auto or off"));
	CHECK(refuses("debug-hypercalls = 1", "on or off"));
	CHECK(refuses("exit-port =", "a port from 1 to 65535, or 0x1 to 0xffff"));
	CHECK(refuses("exit-port = 0", "a port from 1"));
	CHECK(refuses("exit-port = 0x0", "a port from 1"));
	CHECK(refuses("exit-port = 0x", "a port from 1"));
	CHECK(refuses("exit-port = 65536", "a port from 1"));
	CHECK(refuses("exit-port = 0x10000", "a port from 1"));
	CHECK(refuses("exit-port = 0x100000000000000f4", "a port from 1"));
	CHECK(refuses("exit-port = f4", "a port from 1"));
	CHECK(refuses("exit-port = 0xf4h", "a port from 1"));
	CHECK(refuses("exit-port = 244 1", "a port from 1"));
	CHECK(cfg.exit_port == 0);
	parse("[hypervisor]\nexit-port = 0xF4\n[vm a]\nkernel = k\n");
	CHECK(cfg.error_count == 0 && cfg.exit_port == 0xf4);
	parse("[hypervisor]\nexit-port = 1281\n[vm a]\nkernel = k\n");
	CHECK(cfg.error_count == 0 && cfg.exit_port == 0x501);
	parse("[hypervisor]\nexit-port = 0xffff\n[vm a]\nkernel = k\n");
	CHECK(cfg.error_count == 0 && cfg.exit_port == 0xffff);
	parse("[hypervisor]\nparanoid = on\nparanoid = off\n[vm a]\nkernel = k\n");
	CHECK(only_error("cloister.conf:3: ", "paranoid is set twice") && cfg.paranoid);
}

TEST(config_values_of_vm)
{
	CHECK(refuses_vm("memory = 3X", "memory = 3X|2M|with K, M or G"));
	CHECK(refuses_vm("memory = 3M", "a multiple of 2M"));
	CHECK(refuses_vm("memory = 1M", "from 2M"));
	CHECK(refuses_vm("memory = 0M", "from 2M"));
	CHECK(refuses_vm("memory = 300G", "to "));
	CHECK(refuses_vm("memory = 4194303G", "to "));
	CHECK(refuses_vm("memory = 99999999999999999999G", "to "));
	CHECK(refuses_vm("memory = 256", "K, M or G"));
	CHECK(refuses_vm("memory = 256MB", "K, M or G"));
	CHECK(refuses_vm("memory = -2M", "K, M or G"));
	CHECK(refuses_vm("memory = M", "K, M or G"));
	CHECK(refuses_vm("memory-mode = later", "eager or lazy"));
	CHECK(refuses_vm("vcpus = 9", "vcpus = 9|1 to 8"));
	CHECK(refuses_vm("vcpus = 0", "1 to 8"));
	CHECK(refuses_vm("vcpus = one", "1 to 8"));
	CHECK(refuses_vm("cpus = 1-0", "0-1,3"));
	CHECK(refuses_vm("cpus = 64", "0 to 63"));
	CHECK(refuses_vm("cpus = 0-4000000000", "0 to 63"));
	CHECK(refuses_vm("cpus = 1,", "0 to 63"));
	CHECK(refuses_vm("cpus =", "0 to 63"));
	CHECK(refuses_vm("cpus = 1;2", "0 to 63"));
	CHECK(refuses_vm("format = elf", "auto, linux, flat, pvh or multiboot"));
	CHECK(accepts_vm("format = linux") && cfg.vms[0].format == CONFIG_FORMAT_LINUX);
	CHECK(accepts_vm("format = pvh") && cfg.vms[0].format == CONFIG_FORMAT_PVH);
	CHECK(accepts_vm("format = multiboot") && cfg.vms[0].format == CONFIG_FORMAT_MULTIBOOT);
	CHECK(refuses_vm("user-hypercalls = yes", "on or off"));
	CHECK(accepts_vm("user-hypercalls = on") && cfg.vms[0].user_hypercalls);
	CHECK(accepts_vm("vcpus = 1") && !cfg.vms[0].user_hypercalls);
	CHECK(refuses_vm("console = hvc", "uart or virtio"));
	CHECK(accepts_vm("console = virtio") && cfg.vms[0].virtio_console);
	CHECK(refuses_vm("disk =", "up to four lines"));
	CHECK(refuses_vm("disk = ,ro", "up to four lines"));
	CHECK(accepts_vm("disk = a.img\ndisk = b.img , ro\ndisk = c,ro\ndisk = ,rox"));
	CHECK(cfg.vms[0].disk_count == 4 && !strcmp(cfg.vms[0].disks[0].file, "a.img"));
	CHECK(!cfg.vms[0].disks[0].read_only && !cfg.vms[0].disks[3].read_only);
	CHECK(cfg.vms[0].disks[2].read_only && !strcmp(cfg.vms[0].disks[2].file, "c"));
	CHECK(!accepts_vm("disk = a\ndisk = b\ndisk = c\ndisk = d\ndisk = e"));
	CHECK(refuses_vm("initrd =", "file name"));
	CHECK(refuses_vm("kernel = k", "twice"));
	CHECK(accepts_vm("memory = 2M") && cfg.vms[0].memory == MIB(2));
	CHECK(accepts_vm("memory = 2048K") && cfg.vms[0].memory == MIB(2));
	CHECK(accepts_vm("memory = 1G") && cfg.vms[0].memory == GIB(1));
	CHECK(accepts_vm("cpus = 63") && cfg.vms[0].cpu_mask == BIT(63));
	CHECK(accepts_vm("cpus = 0 , 2-4") && cfg.vms[0].cpu_mask == 0x1d && !cfg.vms[0].share);
	CHECK(accepts_vm("cpus = share") && cfg.vms[0].cpu_mask == 0 && cfg.vms[0].share);
	CHECK(refuses_vm("cpus = shared", "share"));
	CHECK(refuses_vm("cpus = 0,share", "share"));
}

TEST(config_lengths)
{
	char line[1400], name[200];

	memset(name, 'n', sizeof(name));
	snprintf(line, sizeof(line), "initrd = %.63s", name);
	CHECK(accepts_vm(line) && strlen(cfg.vms[0].initrd) == 63);
	snprintf(line, sizeof(line), "initrd = %.64s", name);
	CHECK(refuses_vm(line, "1 to 63 characters"));

	strcpy(line, "cmdline = ");
	memset(line + 10, 'c', 1023);
	line[1033] = '\0';
	CHECK(accepts_vm(line) && strlen(cfg.vms[0].cmdline) == 1023);
	strcpy(line + 1033, "c");
	CHECK(refuses_vm(line, "1023 characters"));
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	CHECK(refuses_vm(line, "longer than"));

	snprintf(line, sizeof(line), "[vm %.31s]\nkernel = k\n", name);
	parse(line);
	CHECK(cfg.error_count == 0 && strlen(cfg.vms[0].name) == 31);
	snprintf(line, sizeof(line), "[vm %.32s]\nkernel = k\n[vm b]\nkernel = k\n", name);
	parse(line);
	CHECK(only_error("cloister.conf:1: ", "1 to 31") && cfg.vm_count == 1);
}

TEST(config_unknown_keys)
{
	CHECK(refuses("mitigations = asi",
		      "unknown key mitigations (mitigation?)|allowed: console, mitigation"));
	CHECK(refuses("colour = red",
		      "unknown key colour;|allowed: console, mitigation, paranoid, smt, timer"));
	CHECK(refuses_vm("memroy = 2M",
			 "unknown key memroy (memory?)|kernel, initrd, modules, cmdline, memory"));
	CHECK(refuses_vm("vcpu = 1", "(vcpus?)"));
	CHECK(refuses_vm("= 1", "unknown key ;"));
	CHECK(refuses_vm("a-key-that-is-very-much-longer-than-any-other-key-here = 1",
			 "unknown key a-key-that"));
	CHECK(strstr(cfg.errors[0], "console"));
}

TEST(config_structure)
{
	parse("");
	CHECK(only_error("cloister.conf:", "names no VM|[vm NAME]"));
	parse("[hypervisor]\nsmt = off\n");
	CHECK(only_error("cloister.conf:", "names no VM"));
	parse("[vm a]\ninitrd = i\n\n[vm b]\nkernel = k\n");
	CHECK(only_error("cloister.conf:1: [vm a] ", "no kernel") && cfg.vms[0].bad &&
	      !cfg.vms[1].bad);
	parse("[vm b]\nkernel = k\n[vm a]\n");
	CHECK(only_error("cloister.conf:3: [vm a] ", "no kernel") && cfg.vms[1].bad);
	parse("[vm a]\nkernel = k\n[vm a]\nkernel = l\nnonsense = ignored with its section\n");
	CHECK(only_error("cloister.conf:3: ", "[vm a]|line 1") && cfg.vm_count == 1 &&
	      !strcmp(cfg.vms[0].kernel, "k"));
	parse("[hypervisor]\nsmt = off\n[hypervisor]\npwd = 1\n[vm a]\nkernel = k\n");
	CHECK(only_error("cloister.conf:3: ", "twice"));
	parse("[machine]\nx = 1\n[vm a]\nkernel = k\n");
	CHECK(only_error("cloister.conf:1: ",
			 "unknown section [machine]|[hypervisor] and [vm NAME]"));
	parse("[vm a\nkernel = k\n[vm b]\nkernel = k\n");
	CHECK(only_error("cloister.conf:1: ", "closing bracket") && cfg.vm_count == 1);
	parse("[vm ]\n[vm b]\nkernel = k\n");
	CHECK(cfg.error_count == 1 && cfg.vm_count == 1);
	parse("[vm a/b]\n[vm b]\nkernel = k\n");
	CHECK(only_error("cloister.conf:1: ", "letters, digits"));
	parse("[\n]\n[]\n[vm b]\nkernel = k\n");
	CHECK(cfg.error_count == 2 && cfg.vm_count == 1);
	parse("kernel = k\n[vm b]\nkernel = k\n");
	CHECK(only_error("cloister.conf:1: ", "before any section"));
	CHECK(refuses_vm("just words", "not a setting|key = value"));
}

TEST(config_zero_bytes)
{
	static const char text[] = "[vm a]\nkernel = k\nmem\0ory = 2M\n[vm b]\nkernel = k\n";

	parse_bytes(text, sizeof(text) - 1);
	CHECK(only_error("cloister.conf:3: [vm a] ", "zero byte") && cfg.vms[0].bad &&
	      !cfg.vms[1].bad);
}

TEST(config_messages_are_printable)
{
	CHECK(refuses_vm("\x1b[2J\xff = 1", "unknown key ?[2J?"));
	CHECK(refuses_vm("memory = \x07", "memory = ?"));
}

TEST(config_too_many)
{
	char text[8000] = "";
	size_t n = 0;

	for (unsigned i = 0; i < CONFIG_MAX_VMS + 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[vm v%u]\nkernel = k\n", i);
	parse(text);
	CHECK(only_error("cloister.conf:33: ", "one too many|16") &&
	      cfg.vm_count == CONFIG_MAX_VMS);

	n = (size_t)snprintf(text, sizeof(text), "[hypervisor]\n");
	for (unsigned i = 0; i < 100; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "bad%u = 1\n", i);
	snprintf(text + n, sizeof(text) - n, "[vm a]\nkernel = k\n");
	parse(text);
	CHECK(cfg.error_count == 100 && cfg.vm_count == 1);
	CHECK(!strncmp(cfg.errors[CONFIG_MAX_ERRORS - 1], "cloister.conf:17: ", 18));
}

/* What every result keeps, whatever the input was. */
static bool is_sound(void)
{
	bool ok = cfg.vm_count <= CONFIG_MAX_VMS && (cfg.vm_count || cfg.error_count);

	for (unsigned i = 0; i < cfg.error_count && i < CONFIG_MAX_ERRORS; i++) {
		ok &= memchr(cfg.errors[i], 0, CONFIG_ERROR_LEN) != NULL;
		ok &= !strncmp(cfg.errors[i], "cloister.conf:", 14);
	}
	for (unsigned i = 0; i < cfg.vm_count; i++) {
		const struct config_vm *vm = &cfg.vms[i];

		ok &= memchr(vm->name, 0, sizeof(vm->name)) &&
		      memchr(vm->kernel, 0, sizeof(vm->kernel)) &&
		      memchr(vm->initrd, 0, sizeof(vm->initrd)) &&
		      memchr(vm->cmdline, 0, sizeof(vm->cmdline));
		ok &= vm->bad || vm->kernel[0];
		ok &= vm->vcpus >= 1 && vm->vcpus <= CONFIG_MAX_VCPUS && vm->memory >= MIB(2) &&
		      vm->memory <= GIB(256) && vm->memory % MIB(2) == 0;
	}
	return ok;
}

TEST(config_random_bytes)
{
	char text[600];

	srand(5);
	for (unsigned i = 0; i < 20000; i++) {
		size_t size = (size_t)rand() % sizeof(text);

		for (size_t j = 0; j < size; j++)
			text[j] = (char)(rand() % 3
						 ? " \n\r\t[]=#,-vm0123456789KMGaekrnl\xff"[rand() %
											    33]
						 : rand());
		parse_bytes(text, size);
		CHECK(is_sound());
	}
}

/* Pieces of legal text in any order, with damage: reaches the deeper paths more often. */
TEST(config_random_pieces)
{
	static const char *const pieces[] = {
		"[vm a]\n",
		"[vm b]\n",
		"[hypervisor]\n",
		"kernel = k\n",
		"memory = ",
		"256M\n",
		"0-63",
		"cpus = ",
		",",
		"\n",
		"console = com1, com2",
		"mitigation = asi\n",
		"cmdline = a b # c\n",
		"#",
		"=",
		"[",
		"]",
		"99999999999",
		"vcpus = 1\n",
		"disk = d\n",
		"memroy = 2M\n",
		"\r\n",
		"timer = auto\n",
		"exit-port = 0xf4\n",
	};
	char text[1000];

	srand(6);
	for (unsigned i = 0; i < 20000; i++) {
		size_t size = 0;

		for (unsigned j = 0; j < 40; j++) {
			const char *piece = pieces[(size_t)rand() % ARRAY_SIZE(pieces)];

			memcpy(text + size, piece, strlen(piece));
			size += strlen(piece);
		}
		if (rand() % 2)
			text[(size_t)rand() % size] = (char)rand();
		parse_bytes(text, size);
		CHECK(is_sound());
	}
}

TEST(networks)
{
	uint64_t first, second;

	parse("[vm a]\nkernel = k\nnet = lan0, lan1\nnet = lan0,mac=52:54:00:aB:0c:56\n"
	      "[vm b]\nkernel = k\nnet=lan1\n");
	CHECK(cfg.error_count == 0 && cfg.network_count == 2);
	CHECK(!strcmp(cfg.networks[0], "lan0") && !strcmp(cfg.networks[1], "lan1"));
	CHECK(cfg.vms[0].nic_count == 3 && cfg.vms[1].nic_count == 1);
	CHECK(cfg.vms[0].nics[0].network == 0 && cfg.vms[0].nics[1].network == 1 &&
	      cfg.vms[0].nics[2].network == 0 && cfg.vms[1].nics[0].network == 1);
	CHECK(cfg.vms[0].nics[2].mac == 0x560cab005452);
	first = cfg.vms[0].nics[0].mac;
	second = cfg.vms[0].nics[1].mac;
	CHECK(first != second && first != cfg.vms[1].nics[0].mac);
	CHECK((first & 3) == 2 && (second & 3) == 2 && first >> 48 == 0);
	/* The same in another company. */
	parse("[vm c]\nkernel = k\nnet = x\n[vm a]\nkernel = k\nnet = y, z\n");
	CHECK(cfg.vms[1].nics[0].mac == first && cfg.vms[1].nics[1].mac == second);
	CHECK(refuses_vm("net =", "net|NAME"));
	CHECK(refuses_vm("net = lan0,", "net"));
	CHECK(refuses_vm("net = mac=52:54:00:12:34:56", "net"));
	CHECK(refuses_vm("net = a_name_that_has_17", "net"));
	CHECK(refuses_vm("net = l\x01n0", "net"));
	CHECK(refuses_vm("net = lan0,mac=52:54:00:12:34", "mac=52:54:00:12:34:56"));
	CHECK(refuses_vm("net = lan0,mac=52:54:00:12:34:5", "net"));
	CHECK(refuses_vm("net = lan0,mac=52:54:00:12:34:567", "net"));
	CHECK(refuses_vm("net = lan0,mac=52:54:00:12:34:5g", "net"));
	CHECK(refuses_vm("net = lan0,mac=01:00:5e:00:00:01", "net"));
	CHECK(refuses_vm("net = lan0,mac=00:00:00:00:00:00", "net"));
	CHECK(refuses_vm("net = lan0 lan1", "net"));
	CHECK(refuses_vm("net = a, b, c, d, e", "4 a VM"));
	CHECK(refuses_vm("net = a,mac=52:54:00:12:34:56, b,mac=52:54:00:12:34:56",
			 "each MAC once"));
	CHECK(accepts_vm("net = a, b, c, d"));
	parse("[vm a]\nkernel = k\nnet = 1,2,3,4\n[vm b]\nkernel = k\nnet = 5,6,7,8\n"
	      "[vm c]\nkernel = k\nnet = 8,1\n[vm d]\nkernel = k\nnet = 9\n");
	CHECK(only_error("cloister.conf:12: [vm d] ", "8 networks") && cfg.network_count == 8);
	CHECK(cfg.vms[3].bad && !cfg.vms[2].bad);
}

UNIT_MAIN
