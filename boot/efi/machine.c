// SPDX-License-Identifier: MIT
#include "boot/efi/loader.h"

#include "hv/base/string.h"

/*
 * EFI_MP_SERVICES_PROTOCOL, UEFI Platform Initialization specification 1.7, volume 2, 13.3: the
 * part used here.
 */
/* clang-format off */
#define MP_SERVICES_GUID \
	{ 0x3fdda605, 0xa76e, 0x4f46, { 0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 } }
/* clang-format on */

#define PROCESSOR_AS_BSP BIT(0)
#define PROCESSOR_ENABLED BIT(1)
#define PROCESSOR_HEALTHY BIT(2)

struct processor_information {
	UINT64 processor_id; /* the local APIC's id */
	UINT32 status;
	UINT32 package, core, thread;
	UINT32 extended[6];
};

struct mp_services;
typedef EFI_STATUS(EFIAPI *mp_get_number)(struct mp_services *this, UINTN *count, UINTN *enabled);
typedef EFI_STATUS(EFIAPI *mp_get_information)(struct mp_services *this, UINTN number,
					       struct processor_information *info);

struct mp_services {
	mp_get_number get_number;
	mp_get_information get_information;
};

static void *find_table(const struct loader *loader, const EFI_GUID *guid)
{
	EFI_CONFIGURATION_TABLE *table = loader->system->ConfigurationTable;

	for (UINTN i = 0; i < loader->system->NumberOfTableEntries; i++)
		if (!memcmp(&table[i].VendorGuid, guid, sizeof(*guid)))
			return table[i].VendorTable;
	return NULL;
}

/* Copied, since the original may lie anywhere, even outside of what the memory map knows. */
static void find_rsdp(const struct loader *loader, void *copy)
{
	static const EFI_GUID acpi_20 = ACPI_20_TABLE_GUID, acpi_10 = ACPI_TABLE_GUID;
	const void *rsdp = find_table(loader, &acpi_20);
	uint64_t size = RSDP_SIZE;

	if (!rsdp) {
		rsdp = find_table(loader, &acpi_10);
		size = 20;
	}
	if (!rsdp)
		return;
	memset(copy, 0, RSDP_SIZE);
	memcpy(copy, rsdp, size);
	loader->bi->rsdp = HPA((uint64_t)copy);
}

static void find_cpus(const struct loader *loader)
{
	static EFI_GUID guid = MP_SERVICES_GUID;
	struct boot_info *bi = loader->bi;
	struct mp_services *mp = NULL;
	UINTN count = 0, enabled = 0;

	if (EFI_ERROR(loader->services->LocateProtocol(&guid, NULL, (void **)&mp)) ||
	    EFI_ERROR(mp->get_number(mp, &count, &enabled)))
		return;
	for (UINTN i = 0; i < count && bi->cpu_count < BOOT_MAX_CPUS; i++) {
		struct processor_information info;

		memset(&info, 0, sizeof(info));
		if (EFI_ERROR(mp->get_information(mp, i, &info)) ||
		    !(info.status & PROCESSOR_ENABLED) || !(info.status & PROCESSOR_HEALTHY))
			continue;
		bi->cpus[bi->cpu_count++] = (struct boot_cpu){
			.apic_id = (uint32_t)info.processor_id,
			.is_bsp = !!(info.status & PROCESSOR_AS_BSP),
		};
	}
}

static void find_framebuffer(const struct loader *loader)
{
	static EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop = NULL;
	const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info;
	bool is_bgr;

	if (EFI_ERROR(loader->services->LocateProtocol(&guid, NULL, (void **)&gop)) || !gop->Mode ||
	    !gop->Mode->Info)
		return;
	info = gop->Mode->Info;
	switch (info->PixelFormat) {
	case PixelRedGreenBlueReserved8BitPerColor:
		is_bgr = false;
		break;
	case PixelBlueGreenRedReserved8BitPerColor:
		is_bgr = true;
		break;
	default: /* odd masks, or no memory behind the picture at all */
		return;
	}
	loader->bi->fb = (struct boot_framebuffer){
		.base = HPA(gop->Mode->FrameBufferBase),
		.width = info->HorizontalResolution,
		.height = info->VerticalResolution,
		.pitch = info->PixelsPerScanLine * 4,
		.is_bgr = is_bgr,
	};
}

void machine_describe(const struct loader *loader, void *rsdp_copy)
{
	find_rsdp(loader, rsdp_copy);
	find_cpus(loader);
	find_framebuffer(loader);
}
