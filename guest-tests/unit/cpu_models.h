/* SPDX-License-Identifier: MIT */
/* CPUs, with what they report, suffer from and need: the table of test_policy.c. */
#ifndef CPU_MODELS_H
#define CPU_MODELS_H

#include "hv/asi/policy.h"

#define L1TF BIT(VULN_L1TF)
#define MDS BIT(VULN_MDS)
#define TAA BIT(VULN_TAA)
#define MMIO BIT(VULN_MMIO)
#define RFDS BIT(VULN_RFDS)
#define GDS BIT(VULN_GDS)
#define ITS BIT(VULN_ITS)
#define BHI BIT(VULN_BHI)
#define RETB BIT(VULN_RETBLEED)
#define V2 BIT(VULN_SPECTRE_V2)
#define VMSC BIT(VULN_VMSCAPE)
#define ITLB BIT(VULN_ITLB_MULTIHIT)

#define ANY_MMIO_NO (ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO)
/* What the first CPUs with fixes in silicon report, and the ones after them. */
#define CAPS_2019                                                                                  \
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_SKIP_L1DFL_VMENTRY | ARCH_CAP_MDS_NO |    \
	 ARCH_CAP_TSX_CTRL)
#define CAPS_2020 (CAPS_2019 | ARCH_CAP_TAA_NO | ARCH_CAP_PSCHANGE_MC_NO)
#define CAPS_2021 (CAPS_2020 | ANY_MMIO_NO)
#define CAPS_2023 (CAPS_2021 | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO)

/* Microcode of early 2018, of 2019, and what came with the CPUs that have BHI_DIS_S. */
#define MICROCODE_2018 .ibrs = true, .l1d_flush = true
#define MICROCODE_2019 MICROCODE_2018, .md_clear = true
#define CAPS(bits) .arch_capabilities = true, .arch_cap = (bits)
#define CPU(m, s) .intel = true, .family = 6, .model = (m), .stepping = (s)
#define AVX .xcr0_mask = 7

/* Where a row's facts are written down. */
#define LIST "Intel, affected processors by CPUID model"
#define BITS "SDM volume 4, table 2-2 (IA32_ARCH_CAPABILITIES)"
#define LINUX_WHITE "Linux, common.c, models that need no bit to be immune"
#define LINUX_BLACK "Linux, common.c, models that are affected"
#define EMULATOR "read off the emulator"
#define NESTED "Linux, common.c: below a hypervisor what is hidden counts as affected"

enum { NO_BUFFERS = POLICY_BUFFERS_NONE, VERW = POLICY_BUFFERS_VERW };
enum { NO_L1D = POLICY_L1D_NONE, MSR = POLICY_L1D_MSR, SOFT = POLICY_L1D_SOFTWARE };
enum { NO_BHB = POLICY_BHB_NONE, CLEAR = POLICY_BHB_CLEAR, DIS_S = POLICY_BHB_DIS_S };
enum { COND = HYPERCALL_POLICY_COND_FLUSH, ASI = HYPERCALL_POLICY_ASI };
enum { STUN = HYPERCALL_POLICY_ASI_STUN };
#define IBRS SPEC_CTRL_IBRS
#define IBRS_DIS_S (SPEC_CTRL_IBRS | SPEC_CTRL_BHI_DIS_S)

/* What kind of CPU, what it suffers from, and what is done about it under `asi` and `auto`. */
/* clang-format off */
static const struct cpu_case {
	const char *cpu, *source;
	struct cpu_facts facts;
	uint32_t affected;
	uint8_t automatic, automatic_smt; /* auto without and with siblings that run guests */
	uint8_t l1d, buffers, bhb;
	bool rsb_fill;
	uint64_t spec_ctrl;
	bool swap;
} cpus[] = {
	{ "Nehalem, no microcode: leaks, and has no instruction for it", LIST,
	  { CPU(0x1a, 5) },
	  L1TF | MDS | V2 | ITLB, ASI, STUN, SOFT, NO_BUFFERS, NO_BHB, true, 0, false },
	{ "Westmere-EP: 2018 microcode, but MD_CLEAR never came", LIST,
	  { CPU(0x2c, 2), MICROCODE_2018 },
	  L1TF | MDS | V2 | ITLB, ASI, STUN, MSR, NO_BUFFERS, NO_BHB, true, 0, false },
	{ "Sandy Bridge: no IBRS on the way in, since its RETs do not need it", LINUX_BLACK,
	  { CPU(0x2a, 7), MICROCODE_2019, AVX },
	  L1TF | MDS | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW, NO_BHB, true, 0, false },
	{ "Ivy Bridge-EP", LINUX_BLACK,
	  { CPU(0x3e, 4), MICROCODE_2019, AVX },
	  L1TF | MDS | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW, NO_BHB, true, 0, false },
	{ "Haswell client: TSX switched off by microcode, so no TAA", LIST,
	  { CPU(0x3c, 3), MICROCODE_2019, AVX },
	  L1TF | MDS | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW, NO_BHB, true, 0, false },
	{ "Haswell-EX: TSX works, server parts have MMIO stale data", LINUX_BLACK,
	  { CPU(0x3f, 4), MICROCODE_2019, AVX, .rtm = true },
	  L1TF | MDS | TAA | MMIO | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW, NO_BHB,
	    true, 0, false },
	{ "Broadwell-EP", LINUX_BLACK,
	  { CPU(0x4f, 1), MICROCODE_2019, AVX, .rtm = true },
	  L1TF | MDS | TAA | MMIO | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW, NO_BHB,
	    true, 0, false },
	{ "Broadwell, old microcode: no MSR for anything", LIST,
	  { CPU(0x3d, 4), AVX, .rtm = true },
	  L1TF | MDS | TAA | V2 | VMSC | ITLB, ASI, STUN, SOFT, NO_BUFFERS, NO_BHB,
	    true, 0, false },
	{ "Skylake client: RETs underflow into the branch predictor, so IBRS on the way in",
	  LINUX_BLACK,
	  { CPU(0x5e, 3), MICROCODE_2019, AVX, .rtm = true },
	  L1TF | MDS | TAA | MMIO | GDS | RETB | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW,
	    NO_BHB, true, IBRS, true },
	{ "Skylake-SP with the microcode of 2023: GDS is left to it", BITS,
	  { CPU(0x55, 4), MICROCODE_2019, AVX, .rtm = true, CAPS(ARCH_CAP_RSBA | ARCH_CAP_GDS_CTRL
	    | ARCH_CAP_FB_CLEAR) },
	  L1TF | MDS | TAA | MMIO | GDS | RETB | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW,
	    NO_BHB, true, IBRS, true },
	{ "corei7_skylake_x of the emulator: Skylake-SP without any microcode", EMULATOR,
	  { CPU(0x55, 4), AVX, .rtm = true },
	  L1TF | MDS | TAA | MMIO | GDS | RETB | V2 | VMSC | ITLB, ASI, STUN, SOFT,
	    NO_BUFFERS, NO_BHB, true, 0, false },
	{ "Kaby Lake", LINUX_BLACK,
	  { CPU(0x9e, 9), MICROCODE_2019, AVX, .rtm = true },
	  L1TF | MDS | TAA | MMIO | GDS | RETB | V2 | VMSC | ITLB, ASI, STUN, MSR, VERW,
	    NO_BHB, true, IBRS, true },
	{ "Coffee Lake refresh: the same model, L1TF and MDS fixed, ITS came", LINUX_BLACK,
	  { CPU(0x9e, 13), MICROCODE_2019, AVX, .rtm = true, CAPS(CAPS_2019) },
	  TAA | MMIO | GDS | ITS | BHI | RETB | V2 | VMSC | ITLB, ASI, STUN, NO_L1D,
	    VERW, CLEAR, true, IBRS, false },
	{ "Whiskey Lake", LINUX_BLACK,
	  { CPU(0x8e, 12), MICROCODE_2019, AVX, CAPS(CAPS_2019 & ~ARCH_CAP_TSX_CTRL) },
	  MMIO | GDS | ITS | BHI | RETB | V2 | VMSC | ITLB, ASI, STUN, NO_L1D, VERW,
	    CLEAR, true, IBRS, false },
	{ "Comet Lake U, first stepping: GDS is not on its list", LINUX_BLACK,
	  { CPU(0xa6, 0), MICROCODE_2019, AVX, CAPS(CAPS_2020 & ~ARCH_CAP_PSCHANGE_MC_NO) },
	  MMIO | ITS | BHI | RETB | V2 | VMSC | ITLB, ASI, STUN, NO_L1D, VERW, CLEAR,
	    true, IBRS, false },
	{ "Cascade Lake with TSX: TAA makes VERW necessary although MDS_NO is set", BITS,
	  { CPU(0x55, 7), MICROCODE_2019, AVX, .rtm = true, CAPS(CAPS_2019) },
	  TAA | MMIO | GDS | ITS | BHI | RETB | V2 | VMSC | ITLB, ASI, STUN, NO_L1D,
	    VERW, CLEAR, true, IBRS, false },
	{ "Cascade Lake whose firmware hid TSX: a guest could bring it back", LINUX_BLACK,
	  { CPU(0x55, 7), MICROCODE_2019, AVX, CAPS(CAPS_2019 | ANY_MMIO_NO | ARCH_CAP_GDS_NO) },
	  TAA | ITS | BHI | RETB | V2 | VMSC | ITLB, ASI, STUN, NO_L1D, VERW, CLEAR,
	  true,
	  IBRS, false },
	{ "Cooper Lake: TAA fixed", BITS,
	  { CPU(0x55, 11), MICROCODE_2019, AVX, .rtm = true, CAPS(CAPS_2020) },
	  MMIO | GDS | ITS | BHI | RETB | V2 | VMSC, ASI, STUN, NO_L1D, VERW,
	    CLEAR, true, IBRS, false },
	{ "Cannon Lake: L1TF fixed by its bit, MDS not", LINUX_BLACK,
	  { CPU(0x66, 3), MICROCODE_2019, AVX, CAPS(ARCH_CAP_RDCL_NO) },
	  MDS | RETB | V2 | VMSC | ITLB, ASI, STUN, NO_L1D, VERW, NO_BHB, true, IBRS,
	    true },
	{ "Ice Lake client: ITS stays on one side of the boundary", LINUX_BLACK,
	  { CPU(0x7e, 5), MICROCODE_2019, AVX, CAPS(CAPS_2020 | ARCH_CAP_FB_CLEAR) },
	  MMIO | GDS | BHI | RETB | V2, ASI, STUN, NO_L1D, VERW, CLEAR, true,
	    IBRS, false },
	{ "corei7_icelake_u of the emulator: 0x1f, no MD_CLEAR", EMULATOR,
	  { CPU(0x7e, 5), MICROCODE_2018, AVX, CAPS(0x1f) },
	  MDS | MMIO | GDS | BHI | RETB | V2 | ITLB, ASI, STUN, NO_L1D, NO_BUFFERS,
	    CLEAR, true, IBRS, false },
	{ "Ice Lake-SP", LINUX_BLACK,
	  { CPU(0x6a, 6), MICROCODE_2019, AVX, .rtm = true, CAPS(CAPS_2020 | ARCH_CAP_FB_CLEAR |
	    ARCH_CAP_GDS_CTRL) },
	  MMIO | GDS | BHI | V2, ASI, STUN, NO_L1D, VERW, CLEAR, true, IBRS,
	    false },
	{ "Tiger Lake with GDS_CTRL: no buffer leaks, no flush is left to do", BITS,
	  { CPU(0x8c, 1), MICROCODE_2019, AVX, CAPS(CAPS_2021 | ARCH_CAP_GDS_CTRL) },
	  GDS | BHI | V2, COND, COND, NO_L1D, NO_BUFFERS, CLEAR, true,
	    IBRS, false },
	{ "Tiger Lake without GDS_CTRL: nothing empties the gather buffer, so nothing may get in",
	  LIST,
	  { CPU(0x8d, 1), MICROCODE_2019, AVX, CAPS(CAPS_2021) },
	  GDS | BHI | V2, ASI, STUN, NO_L1D, NO_BUFFERS, CLEAR, true, IBRS,
	  false },
	{ "Rocket Lake", LINUX_BLACK,
	  { CPU(0xa7, 1), MICROCODE_2019, AVX, CAPS(CAPS_2020 | ARCH_CAP_FB_CLEAR) },
	  MMIO | GDS | BHI | RETB | V2, ASI, STUN, NO_L1D, VERW, CLEAR, true,
	    IBRS, false },
	{ "Alder Lake, hybrid: its Atom cores have RFDS", LINUX_BLACK,
	  { CPU(0x97, 2), MICROCODE_2019, AVX, .hybrid = true, .bhi_ctrl = true, CAPS(CAPS_2021 |
	    ARCH_CAP_GDS_NO) },
	  RFDS | BHI | V2 | VMSC, ASI, ASI, NO_L1D, VERW, DIS_S, true, IBRS_DIS_S,
	    false },
	{ "Alder Lake without Atom cores: no RFDS", LINUX_BLACK,
	  { CPU(0x97, 5), MICROCODE_2019, AVX, .bhi_ctrl = true, CAPS(CAPS_2021 | ARCH_CAP_GDS_NO)
	    },
	  BHI | V2 | VMSC, COND, COND, NO_L1D, NO_BUFFERS, DIS_S, true,
	    IBRS_DIS_S, false },
	{ "Raptor Lake, hybrid, new microcode: it says itself that VERW helps", BITS,
	  { CPU(0xb7, 1), MICROCODE_2018, AVX, .hybrid = true, .bhi_ctrl = true, CAPS(CAPS_2021 |
	    ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_CLEAR | ARCH_CAP_PBRSB_NO) },
	  RFDS | BHI | V2 | VMSC, ASI, ASI, NO_L1D, VERW, DIS_S, false, IBRS_DIS_S,
	    false },
	{ "Sapphire Rapids: only the predictor is left", BITS,
	  { CPU(0x8f, 8), MICROCODE_2019, AVX, .rtm = true, .bhi_ctrl = true, CAPS(CAPS_2023) },
	  BHI | V2 | VMSC, COND, COND, NO_L1D, NO_BUFFERS, DIS_S, false,
	    IBRS_DIS_S, false },
	{ "Sapphire Rapids, early microcode: no PBRSB_NO, no word on RFDS", LINUX_BLACK,
	  { CPU(0x8f, 6), MICROCODE_2019, AVX, .rtm = true, .bhi_ctrl = true, CAPS(CAPS_2021) },
	  BHI | V2 | VMSC, COND, COND, NO_L1D, NO_BUFFERS, DIS_S, true,
	    IBRS_DIS_S, false },
	{ "Silvermont, Avoton: no L1TF, but MDS", LINUX_WHITE,
	  { CPU(0x4d, 8), MICROCODE_2019 },
	  MDS | V2, ASI, STUN, NO_L1D, VERW, NO_BHB, true, 0, false },
	{ "Knights Landing", LINUX_WHITE,
	  { CPU(0x57, 1), MICROCODE_2019, AVX },
	  MDS | V2, ASI, STUN, NO_L1D, VERW, NO_BHB, true, 0, false },
	{ "Goldmont, no microcode for RFDS", LINUX_WHITE,
	  { CPU(0x5c, 9), .ibrs = true },
	  RFDS | V2, ASI, ASI, NO_L1D, NO_BUFFERS, NO_BHB, true, 0, false },
	{ "Goldmont Plus, new microcode: RFDS_CLEAR", BITS,
	  { CPU(0x7a, 8), MICROCODE_2019, CAPS(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL |
	    ARCH_CAP_SKIP_L1DFL_VMENTRY | ARCH_CAP_RFDS_CLEAR) },
	  RFDS | BHI | V2, ASI, ASI, NO_L1D, VERW, CLEAR, true, IBRS, false },
	{ "Tremont, Snow Ridge", LINUX_BLACK,
	  { CPU(0x86, 7), MICROCODE_2019, CAPS(CAPS_2020 | ARCH_CAP_FB_CLEAR) },
	  MMIO | RFDS | BHI | V2, ASI, STUN, NO_L1D, VERW, CLEAR, true, IBRS,
	    false },
	{ "Gracemont, Alder Lake-N", LINUX_BLACK,
	  { CPU(0xbe, 0), MICROCODE_2019, AVX, .bhi_ctrl = true, CAPS(CAPS_2021 | ARCH_CAP_GDS_NO |
	    ARCH_CAP_RFDS_CLEAR) },
	  RFDS | BHI | V2 | VMSC, ASI, ASI, NO_L1D, VERW, DIS_S, true, IBRS_DIS_S,
	    false },
	{ "Crestmont, Sierra Forest", BITS,
	  { CPU(0xaf, 3), MICROCODE_2019, AVX, .bhi_ctrl = true, CAPS(CAPS_2023) },
	  BHI | V2 | VMSC, COND, COND, NO_L1D, NO_BUFFERS, DIS_S, false,
	    IBRS_DIS_S, false },
	{ "a VM that calls itself Skylake and is shown nothing: everything but TAA", NESTED,
	  { CPU(0x55, 4), AVX, .hypervisor = true },
	  L1TF | MDS | MMIO | RFDS | GDS | ITS | BHI | RETB | V2 | VMSC | ITLB, ASI,
	    STUN, SOFT, VERW, CLEAR, true, 0, false },
	{ "a VM whose hypervisor flushes the L1D at entry", BITS,
	  { CPU(0x55, 4), MICROCODE_2019, AVX, .hypervisor = true,
	    CAPS(ARCH_CAP_SKIP_L1DFL_VMENTRY) },
	  L1TF | MDS | MMIO | GDS | ITS | BHI | RETB | V2 | VMSC | ITLB, ASI, STUN,
	    NO_L1D, VERW, CLEAR, true, IBRS, true },
	{ "a VM that may move to a machine with RFDS: its hypervisor says RFDS_CLEAR", BITS,
	  { CPU(0x8f, 8), MICROCODE_2018, .bhi_ctrl = true, .hypervisor = true,
	    CAPS((CAPS_2023 & ~ARCH_CAP_RFDS_NO) | ARCH_CAP_RFDS_CLEAR | ARCH_CAP_ITS_NO) },
	  RFDS | BHI | V2 | VMSC, ASI, ASI, NO_L1D, VERW, DIS_S, false, IBRS_DIS_S,
	  false },
	{ "a VM on Sapphire Rapids, BHI_CTRL and ITS_NO hidden", NESTED,
	  { CPU(0x8f, 8), MICROCODE_2019, AVX, .hypervisor = true, CAPS(CAPS_2023) },
	  ITS | BHI | V2 | VMSC, COND, COND, NO_L1D, NO_BUFFERS, CLEAR,
	    false, IBRS, false },
	{ "a model of tomorrow that says nothing", LIST,
	  { CPU(0xee, 1), MICROCODE_2019, AVX, .rtm = true },
	  L1TF | MDS | TAA | V2 | ITLB, ASI, STUN, MSR, VERW, NO_BHB, true, 0, false },
	{ "another family, which vouches for all there is to vouch for; lists are for family 6",
	  BITS,
	  { .intel = true, .family = 19, .model = 0x8e, .stepping = 1, MICROCODE_2019, AVX,
	    .bhi_ctrl = true, CAPS(CAPS_2023 | ARCH_CAP_BHI_NO | ARCH_CAP_ITS_NO) },
	  V2, COND, COND, NO_L1D, NO_BUFFERS, NO_BHB, false, IBRS, false
	    },
};
/* clang-format on */
#define CPUS (sizeof(cpus) / sizeof(cpus[0]))
static_assert(CPUS >= 25, "a table worth the name");

#endif
