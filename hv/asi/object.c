// SPDX-License-Identifier: MIT
#include "hv/asi/object.h"

#include "hv/asi/asi.h"
#include "hv/base/layout.h"
#include "hv/base/print.h"
#include "hv/base/symbols.h"
#include "hv/cpu/percpu.h"
#include "hv/vm/vcpu.h"
#include "mm/frames.h"
#include "mm/pgtable.h"

/* What a site's address turned out to be; site->owner and site->frame say which one. */
enum object_kind {
	OBJECT_UNKNOWN,
	OBJECT_REQUEST,	 /* no address: the code asked to leave */
	OBJECT_VARIABLE, /* .data or .bss */
	OBJECT_DEVICE,
	OBJECT_VM_RAM,
	OBJECT_VM_PRIVATE,
	OBJECT_CPU,
	OBJECT_GLOBAL,
	OBJECT_PAGE_TABLE,
	OBJECT_FRAME_TABLE,
	OBJECT_VMX,
	OBJECT_SENSITIVE,
	OBJECT_IMAGE,
	OBJECT_BOOT_FILE,
	OBJECT_FREE,
	OBJECT_FIRMWARE,
	OBJECT_COUNT,
};

/* The names of those that no number belongs to. */
static const char *const names[OBJECT_COUNT] = {
	[OBJECT_UNKNOWN] = "nothing that is mapped",
	[OBJECT_GLOBAL] = "global data",
	[OBJECT_PAGE_TABLE] = "page table",
	[OBJECT_FRAME_TABLE] = "frame table",
	[OBJECT_VMX] = "vmx region",
	[OBJECT_SENSITIVE] = "sensitive",
	[OBJECT_IMAGE] = "image",
	[OBJECT_BOOT_FILE] = "boot file",
	[OBJECT_FREE] = "free",
	[OBJECT_FIRMWARE] = "firmware's memory",
};

/* What the code wants where it asks by itself. */
#define CAUSE_OBJECT(name, text, object) object,
static const char *const requested[] = { ASI_CAUSES(CAUSE_OBJECT) };

static enum object_kind sensitive_kind(uint16_t purpose)
{
	switch (purpose) {
	case PURPOSE_PAGE_TABLE:
		return OBJECT_PAGE_TABLE;
	case PURPOSE_FRAME_TABLE:
		return OBJECT_FRAME_TABLE;
	case PURPOSE_VMX:
		return OBJECT_VMX;
	default:
		return OBJECT_SENSITIVE;
	}
}

static enum object_kind memory_kind(hpa_t hpa)
{
	uint16_t owner = frames_owner(hpa);

	switch (frames_class(hpa)) {
	case MEM_FREE:
		return OBJECT_FREE;
	case MEM_SENSITIVE:
		return sensitive_kind(owner);
	case MEM_VM:
		/* Guests' RAM is handed out in whole chunks, and nothing else of theirs is. */
		return frames_span(HPA(ALIGN_DOWN(hpa.v, PAGE_SIZE_2M))) == PAGE_SIZE_2M
			       ? OBJECT_VM_RAM
			       : OBJECT_VM_PRIVATE;
	case MEM_SHARED:
		return OBJECT_BOOT_FILE;
	case MEM_CPU:
		return OBJECT_CPU;
	case MEM_GLOBAL:
		return OBJECT_GLOBAL;
	case MEM_BOOT:
		return owner == BOOT_OWNER_FILE ? OBJECT_BOOT_FILE : OBJECT_IMAGE;
	default:
		return OBJECT_FIRMWARE;
	}
}

void object_identify(struct escalation_site *site, unsigned cpu)
{
	struct pg_leaf leaf;

	site->object = OBJECT_REQUEST;
	site->owner = 0;
	site->frame = 0;
	if (site->cause != ASI_CAUSE_FAULT)
		return;
	site->object = OBJECT_UNKNOWN;
	if (!pgtable_walk(&cpus[cpu].pair.full, site->address, &leaf))
		return;
	site->frame = leaf.hpa.v;
	site->owner = frames_owner(leaf.hpa);
	if (PML4_SLOT(site->address) == PML4_SLOT(IMAGE_BASE))
		site->object = OBJECT_VARIABLE;
	else if (PML4_SLOT(site->address) == PML4_SLOT(PHYSMAP_BASE))
		site->object = (uint16_t)memory_kind(leaf.hpa);
	else
		site->object = OBJECT_DEVICE;
}

const char *object_class(const struct escalation_site *site)
{
	switch (site->object) {
	case OBJECT_UNKNOWN:
		return "unknown";
	case OBJECT_REQUEST:
		return "request";
	case OBJECT_VARIABLE:
		return "variable";
	case OBJECT_DEVICE:
		return "device";
	default:
		return "physmap";
	}
}

void object_name(const struct escalation_site *site, char *buf, size_t size)
{
	switch (site->object) {
	case OBJECT_REQUEST:
		fmt_snprintf(buf, size, "%s", requested[site->cause]);
		break;
	case OBJECT_VARIABLE:
		if (!symbols_variable(site->address, buf, size))
			fmt_snprintf(buf, size, "image");
		break;
	case OBJECT_DEVICE:
		fmt_snprintf(buf, size, "registers at 0x%llx", (unsigned long long)site->frame);
		break;
	case OBJECT_VM_RAM:
		fmt_snprintf(buf, size, "vm %u ram", site->owner);
		break;
	case OBJECT_VM_PRIVATE:
		fmt_snprintf(buf, size, "vm %u private", site->owner);
		break;
	case OBJECT_CPU:
		fmt_snprintf(buf, size, "cpu %u private", site->owner);
		break;
	default:
		fmt_snprintf(buf, size, "%s", names[site->object]);
		break;
	}
}
