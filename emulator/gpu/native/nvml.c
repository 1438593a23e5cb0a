/* libnvidia-ml.so.1 of a machine with the cards that FC would give, for programs that only look for them.

   Functions and structures as NVIDIA documents them in its NVML API reference; what is left out is told by the dynamic
   linker, which bindings turn into "Function Not Found" as with an old driver. */
#include "card.h"

typedef int Result;
typedef struct device { int index; } *Device;
enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NO_DRIVER = 9 };

static struct card card;
static struct device devices[MOST_CARDS];
static int initialized;
static const char own = 0;

Result nvmlInit_v2(void)
{
    read_card(&card, &own);
    for (int i = 0; i < MOST_CARDS; i++)
        devices[i].index = i;
    initialized = has_driver(&card);
    return initialized ? OK : NO_DRIVER;
}
Result nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
Result nvmlInit(void) { return nvmlInit_v2(); }
Result nvmlShutdown(void) { return initialized ? OK : UNINITIALIZED; }

const char *nvmlErrorString(Result result)
{
    switch (result) {
    case OK: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID: return "Invalid Argument";
    case UNSUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case TOO_SMALL: return "Insufficient Size";
    case NO_DRIVER: return "Driver Not Loaded";
    }
    return "Unknown Error";
}

static Result text(char *to, unsigned size, const char *from)
{
    if (strlen(from) >= size)
        return TOO_SMALL;
    strcpy(to, from);
    return OK;
}

#define BEGIN if (!initialized) return UNINITIALIZED
Result nvmlSystemGetDriverVersion(char *to, unsigned size) { BEGIN; return text(to, size, card.driver); }
Result nvmlSystemGetNVMLVersion(char *to, unsigned size)
{
    char version[48];
    BEGIN;
    snprintf(version, sizeof version, "%d.%s", card.cuda / 1000, card.driver);
    return text(to, size, version);
}
Result nvmlSystemGetCudaDriverVersion_v2(int *version) { BEGIN; *version = card.cuda; return OK; }
Result nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

Result nvmlDeviceGetCount_v2(unsigned *count) { BEGIN; *count = (unsigned)card.count; return OK; }
Result nvmlDeviceGetCount(unsigned *count) { return nvmlDeviceGetCount_v2(count); }
Result nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device)
{
    BEGIN;
    if (index >= (unsigned)card.count)
        return INVALID;
    *device = &devices[index];
    return OK;
}
Result nvmlDeviceGetHandleByIndex(unsigned index, Device *device) { return nvmlDeviceGetHandleByIndex_v2(index, device); }
Result nvmlDeviceGetHandleByUUID(const char *uuid, Device *device)
{
    BEGIN;
    for (int i = 0; i < card.count; i++)
        if (!strcmp(uuid, card.uuid[i])) {
            *device = &devices[i];
            return OK;
        }
    return NOT_FOUND;
}

Result nvmlDeviceGetName(Device device, char *to, unsigned size) { BEGIN; (void)device; return text(to, size, card.name); }
Result nvmlDeviceGetUUID(Device device, char *to, unsigned size) { BEGIN; return text(to, size, card.uuid[device->index]); }
Result nvmlDeviceGetIndex(Device device, unsigned *index) { BEGIN; *index = (unsigned)device->index; return OK; }
Result nvmlDeviceGetMinorNumber(Device device, unsigned *minor) { return nvmlDeviceGetIndex(device, minor); }
Result nvmlDeviceGetCudaComputeCapability(Device device, int *major, int *minor)
{
    BEGIN;
    (void)device;
    *major = card.major;
    *minor = card.minor;
    return OK;
}

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
Result nvmlDeviceGetPciInfo_v3(Device device, Pci *pci)
{
    BEGIN;
    memset(pci, 0, sizeof *pci);
    pci->bus = (unsigned)device->index + 1;
    snprintf(pci->legacy, sizeof pci->legacy, "0000:%02X:00.0", pci->bus & 0xff);
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus & 0xff);
    return OK;
}
Result nvmlDeviceGetPciInfo_v2(Device device, Pci *pci) { return nvmlDeviceGetPciInfo_v3(device, pci); }
Result nvmlDeviceGetPciInfo(Device device, Pci *pci) { return nvmlDeviceGetPciInfo_v3(device, pci); }

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
static unsigned long long used_bytes(void)
{
    unsigned long long bytes = used(&own, 0, 0) << 20, total = card.memory_mb << 20;
    return bytes < total ? bytes : total;
}
Result nvmlDeviceGetMemoryInfo(Device device, Memory *memory)
{
    BEGIN;
    (void)device;
    memory->total = card.memory_mb << 20;
    memory->used = used_bytes();
    memory->free = memory->total - memory->used;
    return OK;
}
Result nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2 *memory)
{
    BEGIN;
    (void)device;
    memory->total = card.memory_mb << 20;
    memory->reserved = 0;
    memory->used = used_bytes();
    memory->free = memory->total - memory->used;
    return OK;
}

typedef struct { unsigned pid; unsigned long long bytes; unsigned gpu_instance, compute_instance; } Process;
struct list { Process *to; unsigned room, count; };
static void listed(void *with, unsigned pid, unsigned long long mb)
{
    struct list *list = with;
    if (list->count < list->room)
        list->to[list->count] = (Process){pid, mb << 20, ~0u, ~0u};
    list->count++;
}
Result nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned *count, Process *processes)
{
    struct list list = {processes, *count, 0};
    BEGIN;
    (void)device;
    used(&own, listed, &list);
    *count = list.count;
    return list.count > list.room ? TOO_SMALL : OK;
}
Result nvmlDeviceGetComputeRunningProcesses_v2(Device device, unsigned *count, Process *processes)
{
    return nvmlDeviceGetComputeRunningProcesses_v3(device, count, processes);
}
Result nvmlDeviceGetGraphicsRunningProcesses_v3(Device device, unsigned *count, Process *processes)
{
    BEGIN;
    (void)device;
    (void)processes;
    *count = 0;
    return OK;
}
Result nvmlDeviceGetGraphicsRunningProcesses_v2(Device device, unsigned *count, Process *processes)
{
    return nvmlDeviceGetGraphicsRunningProcesses_v3(device, count, processes);
}

typedef struct { unsigned gpu, memory; } Utilization;
Result nvmlDeviceGetUtilizationRates(Device device, Utilization *rates)
{
    BEGIN;
    (void)device;
    rates->gpu = rates->memory = 0;
    return OK;
}
Result nvmlDeviceGetTemperature(Device device, int sensor, unsigned *degrees)
{
    BEGIN;
    (void)device;
    (void)sensor;
    *degrees = 30;
    return OK;
}
#define NUMBER(name, type, value) \
    Result name(Device device, type *to) { BEGIN; (void)device; *to = value; return OK; }
NUMBER(nvmlDeviceGetComputeMode, int, 0)
NUMBER(nvmlDeviceGetPersistenceMode, int, 1)
NUMBER(nvmlDeviceGetDisplayMode, int, 0)
NUMBER(nvmlDeviceGetDisplayActive, int, 0)
NUMBER(nvmlDeviceGetPerformanceState, int, 8)
NUMBER(nvmlDeviceGetPowerUsage, unsigned, 10000)
#define MISSING(name) Result name(Device device) { BEGIN; (void)device; return UNSUPPORTED; }
MISSING(nvmlDeviceGetMigMode)
MISSING(nvmlDeviceGetEccMode)
MISSING(nvmlDeviceGetFanSpeed)
MISSING(nvmlDeviceGetSerial)
