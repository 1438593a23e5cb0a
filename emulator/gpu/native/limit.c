/* Loaded into each process of an instance before its own libraries: CUDA's driver has no more memory than the slice.

   The number of MB on each card is in the file `limit` beside our folder. Allocations of the driver API are counted,
   those above it fail with CUDA_ERROR_OUT_OF_MEMORY, and whoever asks how much memory there is hears of the slice.
   Behind walls with a /dev/shm of their own all processes of an instance are counted together, else each by itself.
   Contexts, modules and what a library keeps in pools are not seen: this keeps programs that mean well within their
   slice, and is no boundary. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

typedef unsigned long long Pointer;
enum { OUT_OF_MEMORY = 2, NOT_FOUND = 500, CARDS = 16, PROCESSES = 256 };
#define SHARED_HOME "/var/fc/gpu"
#define SHARED_FILE "/dev/shm/.fclocal-gpu"

struct slot { pid_t pid; size_t used[CARDS]; };
static struct slot alone[1];
static struct slot *slots = alone;
static int slot_count = 1;
static size_t limit;
static int file = -1;
static pid_t opened_by;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *(*look_up)(void *, const char *);
static void *real_dlsym(void *handle, const char *name)
{
    static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
    for (unsigned i = 0; !look_up && i < sizeof versions / sizeof *versions; i++)
        look_up = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    return look_up ? look_up(handle, name) : 0;
}

static void *driver(const char *name)
{
    static void *library;
    if (!library)
        library = dlopen("libcuda.so.1", RTLD_LAZY);
    return library ? real_dlsym(library, name) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    char path[PATH_MAX + 8], *slash;
    Dl_info info;
    if (!dladdr((void *)begin, &info) || !info.dli_fname)
        return;
    snprintf(path, PATH_MAX, "%s", info.dli_fname);
    for (int up = 0; up < 2; up++)
        if ((slash = strrchr(path, '/')))
            *slash = 0;
    int shared = !strcmp(path, SHARED_HOME);
    strcat(path, "/limit");
    FILE *said = fopen(path, "re");
    unsigned long long mb = 0;
    if (said && fscanf(said, "%llu", &mb) == 1)
        limit = (size_t)mb << 20;
    if (said)
        fclose(said);
    if (!shared || !limit)
        return;
    int fd = open(SHARED_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0 && ftruncate(fd, sizeof(struct slot) * PROCESSES) == 0) {
        void *mapped = mmap(0, sizeof(struct slot) * PROCESSES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) {
            slots = mapped;
            slot_count = PROCESSES;
        }
    }
    if (fd >= 0)
        close(fd);
}

/* A lock on the file is given up by the kernel when its holder ends; one of a fork's must be its own. */
static void lock(void)
{
    pthread_mutex_lock(&mutex);
    if (slot_count == 1)
        return;
    if (opened_by != getpid()) {
        if (file >= 0)
            close(file);
        file = open(SHARED_FILE, O_RDWR | O_CLOEXEC);
        opened_by = getpid();
    }
    while (file >= 0 && flock(file, LOCK_EX) && errno == EINTR)
        ;
}
static void unlock(void)
{
    if (slot_count > 1 && file >= 0)
        flock(file, LOCK_UN);
    pthread_mutex_unlock(&mutex);
}

/* With the lock: our own slot, and what all that live have of a card. */
static struct slot *mine(void)
{
    pid_t pid = getpid();
    struct slot *empty = 0;
    for (int i = 0; i < slot_count; i++) {
        if (slots[i].pid == pid)
            return &slots[i];
        if (!slots[i].pid && !empty)
            empty = &slots[i];
    }
    if (!empty)
        return &slots[0];
    memset(empty, 0, sizeof *empty);
    empty->pid = pid;
    return empty;
}
static size_t all(int card)
{
    size_t sum = 0;
    mine();
    for (int i = 0; i < slot_count; i++) {
        if (slot_count > 1 && slots[i].pid && kill(slots[i].pid, 0) && errno == ESRCH)
            memset(&slots[i], 0, sizeof *slots);
        sum += slots[i].pid ? slots[i].used[card] : 0;
    }
    return sum;
}

static int current(void)
{
    static int (*get)(int *);
    int device = 0;
    if (!get)
        get = (int (*)(int *))driver("cuCtxGetDevice");
    return get && get(&device) == 0 && device >= 0 && device < CARDS ? device : 0;
}

/* What was allocated, by address or handle: open addressing, larger when it is half full. */
struct entry { Pointer key; size_t size; int card; };
static struct entry *table;
static size_t table_size, table_used;
static struct entry *place(struct entry *in, size_t size, Pointer key)
{
    size_t at = (size_t)(key * 0x9E3779B97F4A7C15ULL) & (size - 1);
    while (in[at].key && in[at].key != key)
        at = (at + 1) & (size - 1);
    return &in[at];
}
static void remember(Pointer key, size_t bytes, int card)
{
    if (table_used * 2 >= table_size) {
        size_t size = table_size ? table_size * 2 : 1024;
        struct entry *larger = calloc(size, sizeof *larger);
        if (!larger)
            return;
        size_t kept = 0;
        for (size_t i = 0; i < table_size; i++)
            if (table[i].key && table[i].size) {
                *place(larger, size, table[i].key) = table[i];
                kept++;
            }
        free(table);
        table = larger;
        table_size = size;
        table_used = kept;
    }
    struct entry *entry = place(table, table_size, key);
    table_used += !entry->key;
    *entry = (struct entry){key, bytes, card};
}
static void forget(Pointer key)
{
    lock();
    if (table_size) {
        struct entry *entry = place(table, table_size, key);
        if (entry->key && entry->size) {
            struct slot *slot = mine();
            slot->used[entry->card] -= entry->size < slot->used[entry->card] ? entry->size : slot->used[entry->card];
            entry->size = 0;
        }
    }
    unlock();
}

/* Room for so many bytes, taken; the lock is held only while counting, so that the driver may take its time. */
static int reserve(int card, size_t bytes)
{
    int fits = 1;
    if (!limit)
        return 1;
    lock();
    if (all(card) + bytes > limit)
        fits = 0;
    else
        mine()->used[card] += bytes;
    unlock();
    return fits;
}
static int settle(int result, int card, Pointer key, size_t bytes)
{
    lock();
    if (result == 0)
        remember(key, bytes, card);
    else if (limit)
        mine()->used[card] -= bytes;
    unlock();
    return result;
}

#define REAL(name, ...) \
    int (*real)(__VA_ARGS__) = (int (*)(__VA_ARGS__))driver(#name); \
    if (!real) return NOT_FOUND
#define COUNTED(call, pointer, bytes) \
    int card = current(); \
    if (!reserve(card, bytes)) return OUT_OF_MEMORY; \
    int result = call; \
    return settle(result, card, result == 0 ? *(pointer) : 0, bytes)

int cuMemAlloc_v2(Pointer *to, size_t bytes)
{
    REAL(cuMemAlloc_v2, Pointer *, size_t);
    COUNTED(real(to, bytes), to, bytes);
}
int cuMemAllocManaged(Pointer *to, size_t bytes, unsigned flags)
{
    REAL(cuMemAllocManaged, Pointer *, size_t, unsigned);
    COUNTED(real(to, bytes, flags), to, bytes);
}
int cuMemAllocPitch_v2(Pointer *to, size_t *pitch, size_t width, size_t height, unsigned element)
{
    REAL(cuMemAllocPitch_v2, Pointer *, size_t *, size_t, size_t, unsigned);
    size_t bytes = (width + 511) / 512 * 512 * height;
    COUNTED(real(to, pitch, width, height, element), to, bytes);
}
int cuMemAllocAsync(Pointer *to, size_t bytes, void *stream)
{
    REAL(cuMemAllocAsync, Pointer *, size_t, void *);
    COUNTED(real(to, bytes, stream), to, bytes);
}
int cuMemAllocFromPoolAsync(Pointer *to, size_t bytes, void *pool, void *stream)
{
    REAL(cuMemAllocFromPoolAsync, Pointer *, size_t, void *, void *);
    COUNTED(real(to, bytes, pool, stream), to, bytes);
}
int cuMemCreate(Pointer *handle, size_t bytes, const void *properties, unsigned long long flags)
{
    REAL(cuMemCreate, Pointer *, size_t, const void *, unsigned long long);
    COUNTED(real(handle, bytes, properties, flags), handle, bytes);
}
int cuMemFree_v2(Pointer pointer)
{
    REAL(cuMemFree_v2, Pointer);
    int result = real(pointer);
    if (result == 0)
        forget(pointer);
    return result;
}
int cuMemFreeAsync(Pointer pointer, void *stream)
{
    REAL(cuMemFreeAsync, Pointer, void *);
    int result = real(pointer, stream);
    if (result == 0)
        forget(pointer);
    return result;
}
int cuMemRelease(Pointer handle)
{
    REAL(cuMemRelease, Pointer);
    int result = real(handle);
    if (result == 0)
        forget(handle);
    return result;
}
int cuMemGetInfo_v2(size_t *available, size_t *total)
{
    REAL(cuMemGetInfo_v2, size_t *, size_t *);
    int result = real(available, total);
    if (result == 0 && limit && limit < *total) {
        int card = current();
        lock();
        size_t taken = all(card);
        unlock();
        size_t rest = taken < limit ? limit - taken : 0;
        *total = limit;
        if (rest < *available)
            *available = rest;
    }
    return result;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    REAL(cuDeviceTotalMem_v2, size_t *, int);
    int result = real(bytes, device);
    if (result == 0 && limit && limit < *bytes)
        *bytes = limit;
    return result;
}

int cuGetProcAddress_v2(const char *, void **, int, unsigned long long, int *);
int cuGetProcAddress(const char *, void **, int, unsigned long long);

/* Libraries look the driver's functions up by name: by dlsym, or from CUDA 11.3 on by the driver's own function. */
static const struct { const char *name, *plain; void *function; } ours[] = {
    {"cuMemAlloc_v2", "cuMemAlloc", (void *)cuMemAlloc_v2},
    {"cuMemAllocManaged", "cuMemAllocManaged", (void *)cuMemAllocManaged},
    {"cuMemAllocPitch_v2", "cuMemAllocPitch", (void *)cuMemAllocPitch_v2},
    {"cuMemAllocAsync", "cuMemAllocAsync", (void *)cuMemAllocAsync},
    {"cuMemAllocFromPoolAsync", "cuMemAllocFromPoolAsync", (void *)cuMemAllocFromPoolAsync},
    {"cuMemCreate", "cuMemCreate", (void *)cuMemCreate},
    {"cuMemFree_v2", "cuMemFree", (void *)cuMemFree_v2},
    {"cuMemFreeAsync", "cuMemFreeAsync", (void *)cuMemFreeAsync},
    {"cuMemRelease", "cuMemRelease", (void *)cuMemRelease},
    {"cuMemGetInfo_v2", "cuMemGetInfo", (void *)cuMemGetInfo_v2},
    {"cuDeviceTotalMem_v2", "cuDeviceTotalMem", (void *)cuDeviceTotalMem_v2},
    {"cuGetProcAddress_v2", "", (void *)cuGetProcAddress_v2},
    {"cuGetProcAddress", "", (void *)cuGetProcAddress},
};
static void *ours_named(const char *name, int plain)
{
    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(name, plain ? ours[i].plain : ours[i].name))
            return ours[i].function;
    return 0;
}

/* 3020 is the CUDA from which on the plain names mean the _v2 ones. */
int cuGetProcAddress_v2(const char *symbol, void **function, int version, unsigned long long flags, int *found)
{
    REAL(cuGetProcAddress_v2, const char *, void **, int, unsigned long long, int *);
    int result = real(symbol, function, version, flags, found);
    if (result == 0 && *function) {
        void *own = version >= 3020 ? ours_named(symbol, 1) : 0;
        if (!strcmp(symbol, "cuGetProcAddress"))
            own = version >= 12000 ? (void *)cuGetProcAddress_v2 : (void *)cuGetProcAddress;
        if (own)
            *function = own;
    }
    return result;
}
int cuGetProcAddress(const char *symbol, void **function, int version, unsigned long long flags)
{
    REAL(cuGetProcAddress, const char *, void **, int, unsigned long long);
    int result = real(symbol, function, version, flags);
    if (result == 0 && *function) {
        void *own = version >= 3020 ? ours_named(symbol, 1) : 0;
        if (!strcmp(symbol, "cuGetProcAddress"))
            own = (void *)cuGetProcAddress;
        if (own)
            *function = own;
    }
    return result;
}

/* The last call is a jump, so that RTLD_NEXT means what follows the caller and not us. */
void *dlsym(void *handle, const char *name)
{
    if (!look_up)
        real_dlsym(RTLD_DEFAULT, "dlsym");
    if (name[0] == 'c' && name[1] == 'u' && handle != RTLD_NEXT) {
        void *own = ours_named(name, 0);
        if (own)
            return own;
    }
    return look_up(handle, name);
}
