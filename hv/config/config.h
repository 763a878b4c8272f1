/* SPDX-License-Identifier: MIT */
/*
 * cloister.conf: parsing and checking. Pure: text in, struct config out; used by the loader (to
 * learn which files to read), by the core and by the unit tests.
 */
#ifndef HV_CONFIG_H
#define HV_CONFIG_H

#include "hv/base/hypercall_abi.h"
#include "hv/base/types.h"

#define CONFIG_MAX_VMS 16
#define CONFIG_MAX_VCPUS 8
#define CONFIG_NAME_LEN 32
#define CONFIG_FILE_LEN 64
#define CONFIG_MAX_NETWORKS 8
#define CONFIG_NETWORK_LEN 16
#define CONFIG_MAX_NICS 4 /* of a VM */
#define CONFIG_MAX_MODULES 4
#define CONFIG_MODULE_LEN 128
#define CONFIG_CMDLINE_LEN 1024
#define CONFIG_MAX_DISKS 4
#define CONFIG_MAX_ERRORS 16
#define CONFIG_ERROR_LEN 280

enum config_console {
	CONFIG_CONSOLE_COM1 = 1 << 0,
	CONFIG_CONSOLE_COM2 = 1 << 1,
	CONFIG_CONSOLE_FRAMEBUFFER = 1 << 2,
};

/* `timer =`: what interrupts a guest when its timer is due. */
enum config_timer {
	CONFIG_TIMER_AUTO,	 /* TSC-deadline where the CPU has it */
	CONFIG_TIMER_DEADLINE,	 /* the local APIC's TSC-deadline mode */
	CONFIG_TIMER_PREEMPTION, /* the VMX preemption timer */
};

/* `format =` of a VM's kernel. */
enum config_format {
	CONFIG_FORMAT_AUTO,	 /* what the file's magic says: the default */
	CONFIG_FORMAT_LINUX,	 /* bzImage, 64-bit boot protocol */
	CONFIG_FORMAT_FLAT,	 /* raw 64-bit code at 1 MiB: test guests */
	CONFIG_FORMAT_PVH,	 /* ELF with a PVH entry point */
	CONFIG_FORMAT_MULTIBOOT, /* multiboot 1 */
};

/* `memory-mode =`: when guest memory gets its frames. */
enum config_populate {
	CONFIG_POPULATE_EAGER,
	CONFIG_POPULATE_LAZY,
};

/** A network card: one entry of `net =`. */
struct config_nic {
	uint8_t network; /* index into networks[] */
	uint64_t mac;	 /* 48 bits, the first byte lowest; unicast, and nobody else's */
};

/** One line `disk = FILE[,ro]`. */
struct config_disk {
	char file[CONFIG_FILE_LEN];
	bool read_only;
	unsigned line;
};

/* One of `modules =`: a file, and the text that the kernel is given with it. */
struct config_module {
	char name[CONFIG_FILE_LEN];
	char text[CONFIG_MODULE_LEN]; /* begins with the name */
};

struct config_vm {
	char name[CONFIG_NAME_LEN];
	unsigned line; /* of the section header */
	bool bad; /* a line of this section was refused: the VM is not started, the others are */
	char kernel[CONFIG_FILE_LEN];
	char initrd[CONFIG_FILE_LEN]; /* empty: none */
	char cmdline[CONFIG_CMDLINE_LEN];
	struct config_module modules[CONFIG_MAX_MODULES];
	unsigned module_count;
	unsigned kernel_line, initrd_line, modules_line; /* where they are named, for messages */
	uint64_t memory; /* bytes, multiple of 2 MiB, 2 MiB at least; default 256 MiB */
	unsigned memory_line;
	/* of these, promised from the start; all if there is no such key, or eager */
	uint64_t reserve;
	unsigned vcpus;	   /* 1 to CONFIG_MAX_VCPUS */
	uint64_t cpu_mask; /* physical CPUs it may use; 0: any */
	bool share;	   /* and no vCPU has one of its own */
	enum config_format format;
	enum config_populate populate;
	unsigned disk_count;
	struct config_disk disks[CONFIG_MAX_DISKS];
	bool virtio_console;  /* besides the UART */
	bool ends_run;	      /* its hypercall may end the whole run */
	bool sets_policy;     /* its hypercalls may change the mitigation policy */
	bool user_hypercalls; /* its programs may make the harmless ones */
	unsigned nic_count;
	struct config_nic nics[CONFIG_MAX_NICS];
};

struct config {
	/* bits of enum config_console; default com1 | framebuffer; 0 after `console = none` */
	unsigned console;
	enum hypercall_policy mitigation;
	bool paranoid;	       /* treat every CPU as vulnerable */
	bool smt_off;	       /* one thread of each core runs guests, the others are parked */
	bool debug_hypercalls; /* the hypercalls that only tests need */
	enum config_timer timer;
	uint16_t exit_port; /* where the end status is written; 0: nowhere */
	/* the local APICs are software's even where the CPU could virtualise them */
	bool apicv_off;
	unsigned vm_count;
	struct config_vm vms[CONFIG_MAX_VMS];
	unsigned network_count;
	char networks[CONFIG_MAX_NETWORKS][CONFIG_NETWORK_LEN];
	unsigned error_count; /* of errors[]; more than CONFIG_MAX_ERRORS are counted, not stored */
	char errors[CONFIG_MAX_ERRORS][CONFIG_ERROR_LEN];
};

#define CONFIG_MITIGATION_NAME(name, number, word, before) before word
#define CONFIG_MITIGATION_NAMES HYPERCALL_POLICIES(CONFIG_MITIGATION_NAME)

/** The policy that @name names; false if none. */
ANY bool config_mitigation_named(const char *name, enum hypercall_policy *mitigation);

/**
 * Parses @size bytes of configuration text. Never fails as a whole: each bad line becomes one entry
 * of errors[]
 * ("cloister.conf:12: [vm alpha] memory = 3X: not a size; allowed: a number with K, M or G"), a VM
 * with a bad or incomplete section is marked bad, an error in [hypervisor] leaves the default. A
 * text without any [vm] section is an error too. struct config is large: @cfg is static memory of
 * the caller's. Any byte sequence is a legal input.
 */
ANY void config_parse(struct config *cfg, const char *text, size_t size);

#endif
