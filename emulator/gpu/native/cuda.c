/* libcuda.so.1 of a machine without a card: every program that wants to compute gets CUDA's own answer to that.

   cuInit fails with CUDA_ERROR_NO_DEVICE, and all else, not having been initialized, says so: the numbers and texts of
   the CUDA driver API. */
#include "card.h"

#define SUCCESS 0
#define INVALID_VALUE 1
#define NOT_INITIALIZED 3
#define NO_DEVICE 100

static const char own = 0;

int cuInit(unsigned flags) { (void)flags; return NO_DEVICE; }
int cuDriverGetVersion(int *version)
{
    struct card card;
    if (!version)
        return INVALID_VALUE;
    read_card(&card, &own);
    *version = card.cuda;
    return SUCCESS;
}

static const struct { int code; const char *name, *text; } errors[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
};
static int lookup(int code, const char **to, int name)
{
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) {
            *to = name ? errors[i].name : errors[i].text;
            return SUCCESS;
        }
    *to = 0;
    return INVALID_VALUE;
}
int cuGetErrorString(int code, const char **text) { return lookup(code, text, 0); }
int cuGetErrorName(int code, const char **name) { return lookup(code, name, 1); }

static int not_initialized(void) { return NOT_INITIALIZED; }

int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found);
int cuGetProcAddress(const char *symbol, void **function, int version, unsigned long long flags)
{
    return cuGetProcAddress_v2(symbol, function, version, flags, 0);
}
int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found)
{
    static const struct { const char *name; void *function; } known[] = {
        {"cuInit", (void *)cuInit}, {"cuDriverGetVersion", (void *)cuDriverGetVersion},
        {"cuGetErrorString", (void *)cuGetErrorString}, {"cuGetErrorName", (void *)cuGetErrorName},
    };
    (void)flags;
    *function = (void *)not_initialized;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(symbol, known[i].name))
            *function = known[i].function;
    if (!strcmp(symbol, "cuGetProcAddress"))
        *function = version >= 12000 ? (void *)cuGetProcAddress_v2 : (void *)cuGetProcAddress;
    if (found)
        *found = 0;
    return SUCCESS;
}

/* What programs are linked to, or look up by name. */
#define STUB(name) int name(void) { return NOT_INITIALIZED; }
STUB(cuDeviceGet) STUB(cuDeviceGetCount) STUB(cuDeviceGetName) STUB(cuDeviceGetUuid) STUB(cuDeviceGetUuid_v2)
STUB(cuDeviceTotalMem) STUB(cuDeviceTotalMem_v2) STUB(cuDeviceGetAttribute) STUB(cuDeviceComputeCapability)
STUB(cuDeviceGetPCIBusId) STUB(cuDeviceGetByPCIBusId) STUB(cuDeviceCanAccessPeer) STUB(cuDeviceGetP2PAttribute)
STUB(cuDevicePrimaryCtxRetain) STUB(cuDevicePrimaryCtxRelease) STUB(cuDevicePrimaryCtxRelease_v2)
STUB(cuDevicePrimaryCtxGetState) STUB(cuDevicePrimaryCtxSetFlags_v2) STUB(cuDeviceGetMemPool)
STUB(cuDeviceGetDefaultMemPool) STUB(cuDeviceSetMemPool) STUB(cuCtxCreate) STUB(cuCtxCreate_v2) STUB(cuCtxCreate_v3)
STUB(cuCtxCreate_v4) STUB(cuCtxDestroy) STUB(cuCtxDestroy_v2) STUB(cuCtxPushCurrent) STUB(cuCtxPushCurrent_v2)
STUB(cuCtxPopCurrent) STUB(cuCtxPopCurrent_v2) STUB(cuCtxSetCurrent) STUB(cuCtxGetCurrent) STUB(cuCtxGetDevice)
STUB(cuCtxSynchronize) STUB(cuCtxGetApiVersion) STUB(cuCtxGetStreamPriorityRange) STUB(cuCtxEnablePeerAccess)
STUB(cuModuleLoad) STUB(cuModuleLoadData) STUB(cuModuleLoadDataEx) STUB(cuModuleLoadFatBinary) STUB(cuModuleUnload)
STUB(cuModuleGetFunction) STUB(cuModuleGetGlobal) STUB(cuModuleGetGlobal_v2) STUB(cuLibraryLoadData)
STUB(cuLibraryUnload) STUB(cuLibraryGetKernel) STUB(cuKernelGetFunction) STUB(cuLinkCreate_v2) STUB(cuLinkAddData_v2)
STUB(cuLinkComplete) STUB(cuLinkDestroy) STUB(cuMemGetInfo) STUB(cuMemGetInfo_v2) STUB(cuMemAlloc) STUB(cuMemAlloc_v2)
STUB(cuMemAllocPitch_v2) STUB(cuMemAllocManaged) STUB(cuMemAllocAsync) STUB(cuMemAllocHost_v2) STUB(cuMemHostAlloc)
STUB(cuMemFree) STUB(cuMemFree_v2) STUB(cuMemFreeAsync) STUB(cuMemFreeHost) STUB(cuMemHostRegister_v2)
STUB(cuMemHostUnregister) STUB(cuMemHostGetDevicePointer_v2) STUB(cuMemCreate) STUB(cuMemRelease) STUB(cuMemMap)
STUB(cuMemUnmap) STUB(cuMemSetAccess) STUB(cuMemAddressReserve) STUB(cuMemAddressFree) STUB(cuMemExportToShareableHandle)
STUB(cuMemImportFromShareableHandle) STUB(cuMemGetAllocationGranularity) STUB(cuMemRetainAllocationHandle)
STUB(cuMemcpy) STUB(cuMemcpyAsync) STUB(cuMemcpyHtoD_v2) STUB(cuMemcpyHtoDAsync_v2) STUB(cuMemcpyDtoH_v2)
STUB(cuMemcpyDtoHAsync_v2) STUB(cuMemcpyDtoD_v2) STUB(cuMemcpyDtoDAsync_v2) STUB(cuMemsetD8_v2) STUB(cuMemsetD8Async)
STUB(cuMemsetD32_v2) STUB(cuMemsetD32Async) STUB(cuMemPoolCreate) STUB(cuMemPoolDestroy) STUB(cuMemPoolSetAttribute)
STUB(cuPointerGetAttribute) STUB(cuPointerGetAttributes) STUB(cuStreamCreate) STUB(cuStreamCreateWithPriority)
STUB(cuStreamDestroy) STUB(cuStreamDestroy_v2) STUB(cuStreamSynchronize) STUB(cuStreamQuery) STUB(cuStreamWaitEvent)
STUB(cuStreamWriteValue32_v2) STUB(cuStreamWaitValue32_v2) STUB(cuStreamGetCaptureInfo_v2) STUB(cuEventCreate)
STUB(cuEventDestroy) STUB(cuEventDestroy_v2) STUB(cuEventRecord) STUB(cuEventQuery) STUB(cuEventSynchronize)
STUB(cuEventElapsedTime) STUB(cuFuncGetAttribute) STUB(cuFuncSetAttribute) STUB(cuFuncSetCacheConfig)
STUB(cuFuncGetModule) STUB(cuLaunchKernel) STUB(cuLaunchKernelEx) STUB(cuLaunchCooperativeKernel)
STUB(cuOccupancyMaxActiveBlocksPerMultiprocessor) STUB(cuOccupancyMaxPotentialBlockSize) STUB(cuTensorMapEncodeTiled)
STUB(cuMulticastCreate) STUB(cuMulticastBindMem) STUB(cuGetExportTable) STUB(cuProfilerStart) STUB(cuProfilerStop)
STUB(cuIpcGetMemHandle) STUB(cuIpcOpenMemHandle_v2) STUB(cuIpcCloseMemHandle) STUB(cuGraphLaunch)
