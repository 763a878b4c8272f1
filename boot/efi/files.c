// SPDX-License-Identifier: MIT
#include "boot/efi/loader.h"

#include "boot/files.h"
#include "hv/base/asm.h"
#include "hv/base/string.h"

#define MAX_PATH 256
/* Some firmware fails on very large single reads. */
#define READ_CHUNK MIB(8)

/* The volume that the loader came from and the folder in it, "\EFI\BOOT\" for instance. */
struct volume {
	EFI_FILE_HANDLE root;
	CHAR16 folder[MAX_PATH];
};

/*
 * The loader's path is spread over one or more file path nodes, each with or without a leading
 * backslash.
 */
static void find_folder(struct volume *volume, const EFI_DEVICE_PATH *node)
{
	unsigned n = 0, end = 0;

	for (; node && node->Type != END_DEVICE_PATH_TYPE;
	     node = (const void *)((const uint8_t *)node +
				   (node->Length[0] | node->Length[1] << 8))) {
		unsigned length = (node->Length[0] | (unsigned)node->Length[1] << 8);
		const CHAR16 *path = ((const FILEPATH_DEVICE_PATH *)node)->PathName;

		if (length < sizeof(*node))
			break;
		if (node->Type != MEDIA_DEVICE_PATH || node->SubType != MEDIA_FILEPATH_DP)
			continue;
		if (n < MAX_PATH - 1 && (n == 0 || volume->folder[n - 1] != '\\'))
			volume->folder[n++] = '\\';
		for (length = (length - sizeof(*node)) / sizeof(CHAR16);
		     length && *path && n < MAX_PATH - 1; length--, path++)
			if (*path != '\\' || volume->folder[n - 1] != '\\')
				volume->folder[n++] = *path;
	}
	for (unsigned i = 0; i < n; i++)
		if (volume->folder[i] == '\\')
			end = i + 1;
	volume->folder[end] = 0;
}

static bool open_volume(const struct loader *loader, struct volume *volume)
{
	static EFI_GUID image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
	static EFI_GUID volume_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
	EFI_LOADED_IMAGE *image = NULL;
	EFI_FILE_IO_INTERFACE *interface = NULL;

	if (EFI_ERROR(loader->services->HandleProtocol(loader->image, &image_guid,
						       (void **)&image)) ||
	    EFI_ERROR(loader->services->HandleProtocol(image->DeviceHandle, &volume_guid,
						       (void **)&interface)) ||
	    EFI_ERROR(interface->OpenVolume(interface, &volume->root)))
		return false;
	find_folder(volume, image->FilePath);
	return true;
}

/* @folder and @name as one path of the firmware's; false if it is too long. */
static bool make_path(CHAR16 *path, const CHAR16 *folder, const char *name)
{
	unsigned n = 0;

	for (; *folder && n < MAX_PATH; folder++)
		path[n++] = *folder;
	if (n == 0)
		path[n++] = '\\';
	while (*name == '/' || *name == '\\')
		name++;
	for (; *name && n < MAX_PATH; name++)
		path[n++] = *name == '/' ? '\\' : (CHAR16)(uint8_t)*name;
	if (n == MAX_PATH)
		return false;
	path[n] = 0;
	return true;
}

/* Beside the loader, else in the volume's root. */
static EFI_STATUS open_file(const struct volume *volume, const char *name, EFI_FILE_HANDLE *file)
{
	static const CHAR16 root[] = { 0 };
	const CHAR16 *folders[] = { volume->folder, root };
	EFI_STATUS status = EFI_NOT_FOUND;
	CHAR16 path[MAX_PATH];

	for (unsigned i = 0; i < ARRAY_SIZE(folders) && status == EFI_NOT_FOUND; i++)
		if (make_path(path, folders[i], name))
			status =
				volume->root->Open(volume->root, file, path, EFI_FILE_MODE_READ, 0);
	return status;
}

/* The position behind the last byte is the size; folders refuse to seek. */
static EFI_STATUS measure(EFI_FILE_HANDLE handle, UINT64 *size)
{
	EFI_STATUS status = handle->SetPosition(handle, UINT64_MAX);

	if (!EFI_ERROR(status))
		status = handle->GetPosition(handle, size);
	if (!EFI_ERROR(status))
		status = handle->SetPosition(handle, 0);
	return status;
}

static bool read_all(EFI_FILE_HANDLE handle, uint8_t *to, uint64_t size)
{
	while (size) {
		UINTN n = size < READ_CHUNK ? size : READ_CHUNK;

		if (EFI_ERROR(handle->Read(handle, &n, to)) || n == 0)
			return false;
		to += n;
		size -= n;
	}
	return true;
}

static enum boot_file_status read_contents(const struct loader *loader, EFI_FILE_HANDLE handle,
					   struct boot_file *file)
{
	UINT64 size;
	uint8_t *to;

	if (EFI_ERROR(measure(handle, &size)))
		return BOOT_FILE_UNREADABLE;
	if (size == 0)
		return BOOT_FILE_OK;
	to = memory_allocate(loader, size, true, EfiLoaderData);
	if (!to)
		to = memory_allocate(loader, size, false, EfiLoaderData);
	if (!to)
		return BOOT_FILE_NO_MEMORY;
	file->base = HPA((uint64_t)to);
	file->size = size;
	return read_all(handle, to, size) ? BOOT_FILE_OK : BOOT_FILE_UNREADABLE;
}

static void load(const struct loader *loader, const struct volume *volume, struct boot_file *file)
{
	EFI_FILE_HANDLE handle = NULL;
	EFI_STATUS status = open_file(volume, file->name, &handle);

	if (EFI_ERROR(status)) {
		file->status = status == EFI_NOT_FOUND ? BOOT_FILE_MISSING : BOOT_FILE_UNREADABLE;
		return;
	}
	file->status = read_contents(loader, handle, file);
	handle->Close(handle);
}

void files_load(const struct loader *loader)
{
	static struct volume volume;
	struct boot_info *bi = loader->bi;
	uint64_t start = rdtsc();

	files_expect_config(bi);
	if (open_volume(loader, &volume)) {
		load(loader, &volume, &bi->files[0]);
		files_expect_named(bi);
		for (uint32_t i = 1; i < bi->file_count; i++)
			load(loader, &volume, &bi->files[i]);
		volume.root->Close(volume.root);
	}
	bi->tsc_file_ticks = rdtsc() - start;
}
