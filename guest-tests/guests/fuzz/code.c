// SPDX-License-Identifier: MIT
/*
 * Pieces of code: one to a few instructions that exit, or bytes that are none in particular, on one
 * page or two, with registers that lead to devices, to memory or nowhere, in all modes that an
 * interrupt in long mode comes back from.
 */
#include "guest-tests/guests/fuzz/fuzz.h"

#define RFLAGS_RF BIT(16)
#define RFLAGS_IOPL_SHIFT 12
/* In ticks: what ends an endless loop. */
#define STEP_TICKS 10000
#define HLT 0xf4
#define NOP 0x90

/* What an instruction wants of the registers. */
enum {
	PLAIN = 0,
	MSR = 1,
	PORT = 2,
	CALL = 4,
	MEMORY = 8,  /* a ModRM byte with a memory operand follows */
	MODRM = 16,  /* one with any operand */
	SPOILS = 32, /* APIC, clock or tables are anybody's guess then */
	STRING = 64,
	STACK = 128, /* its stack may lie anywhere too */
	KNOWN = 256, /* to the emulation of device registers */
};

struct template
{
	uint8_t length, bytes[4];
	uint8_t immediate; /* bytes */
	uint16_t wants;
	uint8_t digit; /* of the ModRM byte, 8: any register */
};

/* clang-format off */
static const struct template templates[] = {
	{ 2, { 0x0f, 0xa2 }, 0, PLAIN, 8 },		    /* CPUID */
	{ 2, { 0x0f, 0xa2 }, 0, PLAIN, 8 },
	{ 3, { 0x0f, 0x01, 0xc1 }, 0, CALL, 8 },	    /* VMCALL */
	{ 3, { 0x0f, 0x01, 0xc1 }, 0, CALL, 8 },
	{ 3, { 0x0f, 0x01, 0xc2 }, 0, PLAIN, 8 },	    /* VMLAUNCH */
	{ 3, { 0x0f, 0x01, 0xc3 }, 0, PLAIN, 8 },
	{ 3, { 0x0f, 0x01, 0xc4 }, 0, PLAIN, 8 },
	{ 2, { 0x0f, 0xc7 }, 0, MEMORY, 6 },		    /* VMPTRLD */
	{ 3, { 0x66, 0x0f, 0xc7 }, 0, MEMORY, 6 },	    /* VMCLEAR */
	{ 3, { 0xf3, 0x0f, 0xc7 }, 0, MEMORY, 6 },	    /* VMXON */
	{ 2, { 0x0f, 0xc7 }, 0, MEMORY, 7 },		    /* VMPTRST, RDSEED */
	{ 2, { 0x0f, 0x78 }, 0, MODRM, 8 },		    /* VMREAD */
	{ 2, { 0x0f, 0x79 }, 0, MODRM, 8 },		    /* VMWRITE */
	{ 4, { 0x66, 0x0f, 0x38, 0x80 }, 0, MEMORY, 8 },    /* INVEPT */
	{ 4, { 0x66, 0x0f, 0x38, 0x81 }, 0, MEMORY, 8 },    /* INVVPID */
	{ 4, { 0x66, 0x0f, 0x38, 0x82 }, 0, MEMORY, 8 },    /* INVPCID */
	{ 3, { 0x0f, 0x01, 0xd4 }, 0, PLAIN, 8 },	    /* VMFUNC */
	{ 4, { 0x66, 0x0f, 0x01, 0xcf }, 0, PLAIN, 8 },	    /* SEAMCALL */
	{ 4, { 0x66, 0x0f, 0x01, 0xcc }, 0, PLAIN, 8 },	    /* TDCALL */
	{ 3, { 0x0f, 0x01, 0xcf }, 0, PLAIN, 8 },	    /* ENCLS */
	{ 3, { 0x0f, 0x01, 0xd7 }, 0, PLAIN, 8 },	    /* ENCLU */
	{ 3, { 0x0f, 0x01, 0xd8 }, 0, PLAIN, 8 },	    /* VMRUN */
	{ 3, { 0x0f, 0x01, 0xd9 }, 0, CALL, 8 },	    /* VMMCALL */
	{ 2, { 0x0f, 0x37 }, 0, PLAIN, 8 },		    /* GETSEC */
	{ 2, { 0x0f, 0xaa }, 0, SPOILS, 8 },		    /* RSM */
	{ 3, { 0x0f, 0x01, 0xd0 }, 0, PLAIN, 8 },	    /* XGETBV */
	{ 3, { 0x0f, 0x01, 0xd1 }, 0, PLAIN, 8 },	    /* XSETBV */
	{ 2, { 0x0f, 0x08 }, 0, PLAIN, 8 },		    /* INVD */
	{ 2, { 0x0f, 0x09 }, 0, PLAIN, 8 },		    /* WBINVD */
	{ 3, { 0xf3, 0x0f, 0x09 }, 0, PLAIN, 8 },	    /* WBNOINVD */
	{ 2, { 0x0f, 0x32 }, 0, MSR, 8 },		    /* RDMSR */
	{ 2, { 0x0f, 0x32 }, 0, MSR, 8 },
	{ 2, { 0x0f, 0x30 }, 0, MSR | SPOILS, 8 },	    /* WRMSR */
	{ 2, { 0x0f, 0x30 }, 0, MSR | SPOILS, 8 },
	{ 2, { 0x0f, 0x33 }, 0, PLAIN, 8 },		    /* RDPMC */
	{ 3, { 0x0f, 0x01, 0xf9 }, 0, PLAIN, 8 },	    /* RDTSCP */
	{ 3, { 0x0f, 0x01, 0xc8 }, 0, PLAIN, 8 },	    /* MONITOR */
	{ 3, { 0x0f, 0x01, 0xc9 }, 0, PLAIN, 8 },	    /* MWAIT */
	{ 3, { 0x0f, 0x01, 0xfa }, 0, PLAIN, 8 },	    /* MONITORX */
	{ 4, { 0xf3, 0x0f, 0xae, 0xf0 }, 0, PLAIN, 8 },	    /* UMONITOR */
	{ 4, { 0xf2, 0x0f, 0xae, 0xf1 }, 0, PLAIN, 8 },	    /* UMWAIT */
	{ 4, { 0x66, 0x0f, 0xae, 0xf1 }, 0, PLAIN, 8 },	    /* TPAUSE */
	{ 1, { 0xcd }, 1, PLAIN, 8 },			    /* INT n */
	{ 1, { 0xcc }, 0, PLAIN, 8 },
	{ 1, { 0xf1 }, 0, PLAIN, 8 },			    /* INT1 */
	{ 2, { 0xf3, 0x90 }, 0, PLAIN, 8 },		    /* PAUSE */
	{ 2, { 0x0f, 0x06 }, 0, PLAIN, 8 },		    /* CLTS */
	{ 2, { 0x0f, 0x01 }, 0, MODRM, 6 },		    /* LMSW */
	{ 2, { 0x0f, 0x01 }, 0, MODRM, 4 },		    /* SMSW */
	{ 2, { 0x0f, 0x01 }, 0, MEMORY, 7 },		    /* INVLPG */
	{ 2, { 0x0f, 0x01 }, 0, MEMORY, 0 },		    /* SGDT */
	{ 2, { 0x0f, 0x01 }, 0, MEMORY, 1 },		    /* SIDT */
	{ 2, { 0x0f, 0x00 }, 0, MODRM | SPOILS, 8 },	    /* SLDT to VERW */
	{ 2, { 0x0f, 0x02 }, 0, MODRM, 8 },		    /* LAR */
	{ 2, { 0x0f, 0x03 }, 0, MODRM, 8 },		    /* LSL */
	{ 1, { 0xe4 }, 1, PORT, 8 },			    /* IN */
	{ 1, { 0xec }, 0, PORT, 8 },
	{ 1, { 0xed }, 0, PORT, 8 },
	{ 2, { 0x66, 0xed }, 0, PORT, 8 },
	{ 1, { 0xee }, 0, PORT, 8 },			    /* OUT */
	{ 1, { 0xef }, 0, PORT, 8 },
	{ 2, { 0x66, 0xef }, 0, PORT, 8 },
	{ 1, { 0x6c }, 0, PORT | STRING, 8 },		    /* INS */
	{ 1, { 0x6d }, 0, PORT | STRING, 8 },
	{ 1, { 0x6e }, 0, PORT | STRING, 8 },		    /* OUTS */
	{ 1, { 0x6f }, 0, PORT | STRING, 8 },
	{ 1, { 0xfa }, 0, PLAIN, 8 },			    /* CLI */
	{ 1, { 0xfb }, 0, PLAIN, 8 },			    /* STI */
	{ 1, { 0x9d }, 0, STACK, 8 },			    /* POPF */
	{ 1, { 0x9c }, 0, STACK, 8 },			    /* PUSHF */
	{ 2, { 0x48, 0xcf }, 0, STACK, 8 },		    /* IRETQ */
	{ 1, { 0xcf }, 0, STACK, 8 },
	{ 1, { 0xcb }, 0, STACK, 8 },			    /* RETF */
	{ 1, { 0xc3 }, 0, STACK, 8 },			    /* RET */
	{ 1, { 0xff }, 0, MODRM | STACK, 8 },		    /* INC to PUSH */
	{ 1, { 0xff }, 0, MEMORY | STACK, 3 },		    /* CALL far */
	{ 1, { 0xff }, 0, MEMORY, 5 },			    /* JMP far */
	{ 1, { 0x8e }, 0, MODRM, 8 },			    /* MOV to a segment */
	{ 1, { 0x8c }, 0, MODRM, 8 },
	{ 1, { 0x8f }, 0, MODRM | STACK, 0 },		    /* POP */
	{ 2, { 0x0f, 0xa1 }, 0, STACK, 8 },		    /* POP FS */
	{ 2, { 0x0f, 0xb2 }, 0, MEMORY, 8 },		    /* LSS */
	{ 1, { 0xc8 }, 3, STACK, 8 },			    /* ENTER */
	{ 2, { 0x0f, 0x05 }, 0, PLAIN, 8 },		    /* SYSCALL */
	{ 2, { 0x0f, 0x34 }, 0, PLAIN, 8 },		    /* SYSENTER */
	{ 2, { 0x0f, 0x35 }, 0, PLAIN, 8 },		    /* SYSEXIT */
	{ 3, { 0x48, 0x0f, 0x07 }, 0, PLAIN, 8 },	    /* SYSRET */
	{ 3, { 0x0f, 0x01, 0xf8 }, 0, PLAIN, 8 },	    /* SWAPGS */
	{ 2, { 0x0f, 0xae }, 0, MODRM, 8 },		    /* FXSAVE to CLFLUSH */
	{ 2, { 0x0f, 0xc7 }, 0, MODRM, 8 },		    /* CMPXCHG8B, XSAVES */
	{ 3, { 0x48, 0x0f, 0xc7 }, 0, MODRM, 1 },	    /* CMPXCHG16B */
	{ 1, { 0xa4 }, 0, STRING | KNOWN, 8 },			    /* MOVS */
	{ 1, { 0xa5 }, 0, STRING | KNOWN, 8 },
	{ 2, { 0x48, 0xa5 }, 0, STRING | KNOWN, 8 },
	{ 1, { 0xaa }, 0, STRING | KNOWN, 8 },			    /* STOS */
	{ 1, { 0xab }, 0, STRING | KNOWN, 8 },
	{ 1, { 0xac }, 0, STRING, 8 },			    /* LODS */
	{ 1, { 0xa6 }, 0, STRING, 8 },			    /* CMPS */
	{ 1, { 0xaf }, 0, STRING, 8 },			    /* SCAS */
	{ 1, { 0xa1 }, 8, PLAIN, 8 },			    /* MOV from an offset */
	{ 1, { 0xa2 }, 8, PLAIN, 8 },
	{ 1, { 0x88 }, 0, MEMORY | KNOWN, 8 },			    /* MOV */
	{ 1, { 0x89 }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0x8a }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0x8b }, 0, MEMORY | KNOWN, 8 },
	{ 2, { 0x48, 0x8b }, 0, MEMORY | KNOWN, 8 },
	{ 2, { 0x48, 0x89 }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0xc6 }, 1, MEMORY | KNOWN, 0 },
	{ 1, { 0xc7 }, 4, MEMORY | KNOWN, 0 },
	{ 1, { 0x80 }, 1, MEMORY | KNOWN, 8 },			    /* ADD to CMP */
	{ 1, { 0x81 }, 4, MEMORY | KNOWN, 8 },
	{ 1, { 0x83 }, 1, MEMORY | KNOWN, 8 },
	{ 1, { 0x01 }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0x0b }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0x31 }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0x39 }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0x84 }, 0, MEMORY | KNOWN, 8 },			    /* TEST */
	{ 1, { 0x87 }, 0, MEMORY | KNOWN, 8 },			    /* XCHG */
	{ 2, { 0x0f, 0xb6 }, 0, MEMORY | KNOWN, 8 },		    /* MOVZX */
	{ 2, { 0x0f, 0xbf }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0x63 }, 0, MEMORY | KNOWN, 8 },			    /* MOVSXD */
	{ 2, { 0x0f, 0xba }, 1, MEMORY | KNOWN, 5 },		    /* BT */
	{ 2, { 0x0f, 0xab }, 0, MEMORY | KNOWN, 8 },
	{ 1, { 0xf6 }, 1, MEMORY | KNOWN, 0 },
	{ 2, { 0x0f, 0xba }, 1, MEMORY, 8 },
	{ 1, { 0xf6 }, 1, MEMORY, 8 },			    /* TEST to IDIV */
	{ 1, { 0xf7 }, 4, MEMORY, 8 },
	{ 1, { 0xfe }, 0, MEMORY, 8 },
	{ 1, { 0xd3 }, 0, MEMORY, 8 },			    /* shifts */
	{ 2, { 0x0f, 0xc1 }, 0, MEMORY, 8 },		    /* XADD */
	{ 2, { 0x0f, 0xb1 }, 0, MEMORY, 8 },		    /* CMPXCHG */
	{ 2, { 0x0f, 0xc3 }, 0, MEMORY, 8 },		    /* MOVNTI */
	{ 3, { 0x0f, 0x38, 0xf0 }, 0, MEMORY, 8 },	    /* MOVBE */
	{ 3, { 0x0f, 0x38, 0xf1 }, 0, MEMORY, 8 },
	{ 2, { 0x0f, 0x28 }, 0, MEMORY, 8 },		    /* MOVAPS */
	{ 2, { 0x0f, 0x11 }, 0, MEMORY, 8 },
	{ 3, { 0x66, 0x0f, 0x6f }, 0, MEMORY, 8 },
	{ 1, { 0xdd }, 0, MEMORY, 8 },			    /* FLD */
	{ 2, { 0x0f, 0x0d }, 0, MEMORY, 8 },		    /* PREFETCHW */
	{ 1, { 0x62 }, 4, MEMORY, 8 },			    /* EVEX */
	{ 2, { 0xc5, 0xf8 }, 2, PLAIN, 8 },		    /* VEX */
};
/* clang-format on */

struct piece {
	uint8_t *at, *end;
	unsigned wants;
	bool user;
	unsigned narrow; /* 0: 64-bit code, 1: 32, 2: 16 */
	bool unknown;	 /* to the emulation: a kernel's that touches a device ends the VM */
	bool halts;
};

static void put(struct piece *piece, uint64_t bytes, unsigned count)
{
	while (count-- && piece->at < piece->end) {
		*piece->at++ = (uint8_t)bytes;
		bytes >>= 8;
	}
}

static void put_modrm(struct core *core, struct piece *piece, const struct template *t)
{
	unsigned reg = t->digit < 8 ? t->digit : pick(core, 8), rm = pick(core, 8);
	unsigned mode = t->wants & MEMORY ? (unsigned)(random64(core) >> 8) % 4 : pick(core, 4);

	if ((t->wants & MEMORY) && mode == 3)
		mode = 0;
	put(piece, mode << 6 | reg << 3 | rm, 1);
	if (mode == 3)
		return;
	if (rm == 4 && !piece->narrow)
		put(piece, random64(core), 1);
	/* A displacement that is not there is the next instruction. */
	if (mode == 1)
		put(piece, pick(core, 256), 1);
	else if (mode == 2)
		put(piece, once_in(core, 2) ? pick(core, 64) : random64(core), 4);
	else if (rm == 5) /* relative to RIP: the code itself is changed */
		put(piece, once_in(core, 2) ? pick(core, 24) - 8U : (uint32_t)random64(core), 4);
}

static void put_prefixes(struct core *core, struct piece *piece, bool string)
{
	static const uint8_t prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e,
					    0x36, 0x3e, 0x26, 0x64, 0x65 };

	if (string && !once_in(core, 3))
		put(piece, once_in(core, 2) ? 0xf3 : 0xf2, 1);
	while (once_in(core, 6)) {
		put(piece, prefixes[pick(core, ARRAY_SIZE(prefixes))], 1);
		piece->unknown = true; /* perhaps */
	}
}

static void put_template(struct core *core, struct piece *piece)
{
	const struct template *t = &templates[pick(core, ARRAY_SIZE(templates))];

	put_prefixes(core, piece, t->wants & STRING);
	if (once_in(core, 6) && !piece->narrow && t->bytes[0] != 0x48)
		put(piece, 0x40 | pick(core, 16), 1);
	for (unsigned i = 0; i < t->length; i++)
		put(piece, t->bytes[i], 1);
	if (t->wants & (MEMORY | MODRM))
		put_modrm(core, piece, t);
	put(piece, value(core), t->immediate);
	piece->wants |= t->wants;
	piece->unknown |=
		(t->wants & (MEMORY | MODRM | STACK | STRING)) && !(t->wants & (KNOWN | PORT));
}

static uint64_t control_value(struct core *core, unsigned cr, unsigned narrow)
{
	switch (cr) {
	case 0:
		/* Whoever leaves long mode in 32-bit code does not come back. */
		return (once_in(core, 2) ? read_cr0() ^ BIT(pick(core, 64)) : value(core)) |
		       (once_in(core, narrow ? 500 : 2) ? 0 : CR0_PG | CR0_PE);
	case 3:
		return once_in(core, 32)
			       ? value(core)
			       : (core->cr3 | (once_in(core, 2) ? pick(core, 0x1000) : 0) |
				  (once_in(core, 4) ? BIT(pick(core, 64)) & CR3_NOFLUSH : 0));
	case 4:
		return once_in(core, 2) ? read_cr4() ^ BIT(pick(core, 24)) : value(core);
	default:
		return value(core);
	}
}

/* MOV to a control or debug register, of RAX; RAX gets its value right before. */
static void put_control(struct core *core, struct piece *piece)
{
	static const uint8_t crs[] = { 0, 0, 2, 3, 4, 4, 8, 8, 1, 5, 15 };
	bool debug = once_in(core, 3);
	unsigned reg = debug ? pick(core, 8) : crs[pick(core, ARRAY_SIZE(crs))];
	uint64_t to;

	if (piece->narrow && reg > 7)
		reg = 4;
	if (!debug)
		to = control_value(core, reg, piece->narrow);
	else if (reg == 7)
		to = random64(core) & 0xffff23ff;
	else
		to = core->share + ARENA_CODE + pick(core, 0x30000);

	if (piece->narrow != 1)
		put(piece, piece->narrow ? 0x66 : 0x48, 1);
	put(piece, 0xb8, 1);
	put(piece, to, piece->narrow ? 4 : 8);
	if (reg > 7 && !piece->narrow)
		put(piece, 0x44, 1);
	put(piece, 0x0f, 1);
	put(piece, (debug ? 0x21 : 0x20) | (once_in(core, 3) ? 0 : 2), 1);
	put(piece, 0xc0 | (reg & 7) << 3, 1);
	piece->wants |= !debug && reg == 8 ? SPOILS : 0;
}

/* Something whose end is seen one instruction later, and what exits there. */
static void put_shadow(struct core *core, struct piece *piece)
{
	static const uint32_t behind[] = { 0xa20f, 0xf1,   0xcc,     0x900f0f, 0x320f, 0xf0220f,
					   0xec,   0x80cd, 0xc1010f, 0x9c,     0x090f };

	if (once_in(core, 16) && !piece->user) {
		piece->halts = true;
		put(piece, 0xf4fb, 2);
		return;
	}
	if (once_in(core, 2)) {
		put(piece, 0xfb, 1);
	} else {
		put(piece, 0xb8, 1);
		put(piece, SEL_DATA, piece->narrow == 2 ? 2 : 4);
		put(piece, 0xd08e, 2);
	}
	put(piece, behind[pick(core, ARRAY_SIZE(behind))], 3);
}

/* What no device is near to. */
static uint64_t harmless(struct core *core)
{
	switch (pick(core, 8)) {
	case 0:
		return random64(core) | BIT(40);
	case 1:
		return pick(core, 256);
	case 2:
		return arena_address(core);
	default:
		return core->share + ARENA_DATA + pick(core, 0x8000);
	}
}

static void set_registers(struct core *core, const struct piece *piece)
{
	uint64_t *gpr = core->launch.gpr;

	bool devices = piece->user || !piece->unknown || once_in(core, 4000);

	for (unsigned i = 0; i < 15; i++)
		gpr[i] = !devices	    ? harmless(core)
			 : once_in(core, 3) ? value(core)
					    : operand_address(core);
	/* What lies on two pages is known of few instructions. */
	for (unsigned i = 0; i < 15 && !piece->user && !once_in(core, 100); i++)
		gpr[i] &= ~7ULL;
	if ((piece->wants & MSR) || once_in(core, 16))
		gpr[RCX] = random_msr(core);
	if ((piece->wants & MSR) && once_in(core, 2))
		gpr[RDX] = once_in(core, 2) ? 0 : pick(core, 4);
	if (piece->wants & PORT)
		gpr[RDX] = random_port(core);
	if (piece->wants & CALL)
		gpr[RAX] = random_call(core);
	/* A loop that nothing ends has to end by itself; and with several CPUs the emulator makes
	 * them all wait for the end of a REP. */
	if (!(piece->wants & MSR) || (piece->wants & STRING))
		gpr[RCX] &= once_in(core, 8) ? 0x3fff : 0xff;
	gpr[R11] |= RFLAGS_FIXED | BIT(9);
}

static uint64_t stack_for(struct core *core, const struct piece *piece)
{
	uint64_t own = core->share + ARENA_DATA + 0xf000 - (pick(core, 64) & ~7U);

	if (!(piece->wants & STACK) || once_in(core, 2))
		return own;
	return piece->user || once_in(core, 4000) ? operand_address(core) : harmless(core);
}

/* For who looks into a seed: what is about to run. */
static void show(const struct core *core, uint64_t cr3, const uint8_t *start, const uint8_t *end)
{
	print("core %u step %u cs %x rip %x rsp %x rflags %x cr3 %x:", (uint64_t)core->id,
	      (uint64_t)core->steps, core->launch.cs, core->launch.rip, core->launch.rsp,
	      core->launch.rflags, cr3);
	for (const uint8_t *at = start; at < end; at++)
		print(" %x", (uint64_t)*at);
	for (unsigned i = 0; show_registers && i < 15; i++)
		print("%s %x", i ? "" : " registers", core->launch.gpr[i]);
	print("\n");
}

static _Noreturn void launch(struct core *core, struct piece *piece, uint8_t *start, bool step)
{
	static const uint16_t selectors[2][3] = { { SEL_CODE, SEL_CODE32, SEL_CODE16 },
						  { SEL_USER_CODE, SEL_USER_CODE32,
						    SEL_USER_CODE16 } };
	struct launch *l = &core->launch;
	bool interrupts = piece->user || piece->halts || !once_in(core, 4);
	uint64_t cr3 = core->tables ? core->tables : core->cr3;

	if (!piece->user && piece->unknown && !once_in(core, 4000))
		cr3 = core_memory_only();
	set_registers(core, piece);
	l->rip = (uint64_t)start - (piece->narrow == 2 ? core->share + ARENA_CODE : 0);
	l->cs = selectors[piece->user][piece->narrow];
	l->ss = piece->user ? SEL_USER_DATA : SEL_DATA;
	l->rsp = stack_for(core, piece);
	l->rflags = RFLAGS_FIXED | (interrupts ? BIT(9) : 0) | (step ? RFLAGS_TF : 0) |
		    (once_in(core, 8) ? RFLAGS_DF : 0) | (once_in(core, 8) ? RFLAGS_AC : 0) |
		    (once_in(core, 16) ? RFLAGS_RF : 0);
	if (piece->user && !once_in(core, 3) && (piece->wants || once_in(core, 8)) && !step)
		l->rflags |= 3ULL << RFLAGS_IOPL_SHIFT;
	if (piece->wants & SPOILS)
		core->dirty |= DIRTY_ALL;
	if (piece->wants & (MEMORY | MODRM | STRING | STACK))
		core->dirty |= once_in(core, 16) ? DIRTY_ALL : 0;
	if (core->steps >= show_from)
		show(core, cr3, start, piece->at);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + STEP_TICKS);
	core_launch(core, cr3);
}

/* Where the code begins: anywhere, or so that it ends on the next page. */
static uint8_t *place(struct core *core)
{
	uint64_t page = core->share + ARENA_CODE + 0x1000UL * pick(core, 6);

	return (uint8_t *)page +
	       (once_in(core, 4) ? 0x1000 - 1 - pick(core, 8) : pick(core, 0xf00));
}

void step_bytes(struct core *core, const uint8_t *bytes, unsigned length, bool user)
{
	struct piece piece = { .user = user, .wants = SPOILS };
	uint8_t *start = place(core);

	piece.at = start;
	piece.end = start + length + 2;
	for (unsigned i = 0; i < length; i++)
		put(&piece, bytes[i], 1);
	put(&piece, 0x0b0f, 2);
	launch(core, &piece, start, false);
}

/* One instruction of any bytes, from which a step comes back; a program may have several. */
static void any_bytes(struct core *core, struct piece *piece)
{
	uint8_t *start = piece->at;

	for (unsigned i = 0; i < 24; i++)
		put(piece, pick(core, 256), 1);
	piece->wants = PORT | (piece->user ? 0 : SPOILS);
	piece->unknown = true;
	/* A halt that the timer does not end is for good. */
	if (*start == HLT)
		*start = NOP;
}

void step_code(struct core *core)
{
	struct piece piece = { .user = once_in(core, 3),
			       .narrow = once_in(core, 8) ? 1 + pick(core, 2) : 0 };
	uint8_t *start = place(core);
	bool any = once_in(core, 5);

	piece.at = start;
	piece.end = start + 64;
	if (!any && !piece.user && once_in(core, 128)) {
		piece.halts = true; /* until the timer ends it */
		put(&piece, HLT, 1);
	} else if (any) {
		any_bytes(core, &piece);
	} else if (once_in(core, 6)) {
		put_control(core, &piece);
	} else if (once_in(core, 12)) {
		put_shadow(core, &piece);
	} else {
		for (unsigned i = once_in(core, 3) ? 1 + pick(core, 4) : 1; i; i--)
			put_template(core, &piece);
	}
	piece.end = start + 66;
	put(&piece, 0x0b0f, 2);
	launch(core, &piece, start, (any && !piece.user) || once_in(core, 12));
}
