/* libcuda.so.1 of a card with 15360 MB, which it gives away to whoever asks: nothing is computed. */
#include <stdlib.h>
#include <string.h>

typedef unsigned long long Pointer;
#define TOTAL ((size_t)15360 << 20)
static size_t used;
static struct { Pointer at; size_t bytes; } given[4096];
static Pointer next = 0x7f0000000000ULL;

int cuInit(unsigned flags) { (void)flags; return 0; }
int cuCtxGetDevice(int *device) { *device = 0; return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = TOTAL; return 0; }
int cuMemGetInfo_v2(size_t *available, size_t *total) { *total = TOTAL; *available = TOTAL - used; return 0; }
int cuMemAlloc_v2(Pointer *to, size_t bytes)
{
    if (used + bytes > TOTAL)
        return 2;
    for (int i = 0; i < 4096; i++)
        if (!given[i].bytes) {
            given[i].at = *to = next;
            given[i].bytes = bytes;
            next += bytes;
            used += bytes;
            return 0;
        }
    return 2;
}
int cuMemAllocAsync(Pointer *to, size_t bytes, void *stream) { (void)stream; return cuMemAlloc_v2(to, bytes); }
int cuMemFree_v2(Pointer at)
{
    for (int i = 0; i < 4096; i++)
        if (given[i].bytes && given[i].at == at) {
            used -= given[i].bytes;
            given[i].bytes = 0;
            return 0;
        }
    return 1;
}
int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found)
{
    (void)version;
    (void)flags;
    (void)found;
    *function = !strcmp(symbol, "cuMemAlloc") ? (void *)cuMemAlloc_v2 : !strcmp(symbol, "cuInit") ? (void *)cuInit : 0;
    return *function ? 0 : 500;
}
