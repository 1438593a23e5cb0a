/* Loaded into each process of an instance that is measured: notes which files it reads, in a table that all of them
   share with the emulator (instance/reads.py reads it).

   FCLOCAL_READS names the table's file. It and our place in LD_PRELOAD are taken out of the environment before any code
   of the function runs, and given to each program that a process becomes or starts, where they are taken out again.

   A file is known by its device and number, so that descriptors need no book of their own, whatever is done with them.
   Only atomic operations on the table: no locks, no memory of ours, so it may be called in signal handlers, in threads
   and between fork and exec. What the dynamic linker reads and what the C library reads for itself is not seen here.

   No symbol is needed that is younger than glibc 2.17: images have older C libraries than the machine that compiles. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5\n.symver dladdr, dladdr@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.17\n.symver dladdr, dladdr@GLIBC_2.17");
#endif

enum { FILES = 4096, NAME_BYTES = 1 << 20, PROBES = 64, SWITCHED_OFF = 1, LONGEST_PATH = 1024, SAMPLES = 64,
       /* Noting takes some microseconds: what took longer waited for a CPU that others had. */
       LONGEST_NOTE_NS = 50000 };

/* The layout is known to instance/reads.py. */
struct file { uint64_t key, size, read, mapped, busy_ns, first_ns; uint32_t times, name_length, name_at, unused; };
struct table {
    uint32_t off, unused;
    uint64_t look_ns, calls, own_ns, lost, names_used, spare[2];
    struct file files[FILES];
    char names[NAME_BYTES];
};

static struct table *table;
static char our_path[LONGEST_PATH], table_entry[LONGEST_PATH + 16];
static const char TABLE[] = "FCLOCAL_READS=", PRELOAD[] = "LD_PRELOAD=";
extern char **environ;

#define ADD(to, what) __atomic_fetch_add(&(to), (what), __ATOMIC_RELAXED)
#define LOAD(from) __atomic_load_n(&(from), __ATOMIC_ACQUIRE)
#define STORE(to, what) __atomic_store_n(&(to), (what), __ATOMIC_RELEASE)
/* Where the function that we stand before really is, looked up when it is first called. */
#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int measuring(void) { return table && !(LOAD(table->off) & SWITCHED_OFF); }

static uint64_t clock_of(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + time.tv_nsec;
}

static uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }

/* What this thread has computed, whoever had the CPU meanwhile: a system call, so not for each note. */
static uint64_t computed(void) { return clock_of(CLOCK_THREAD_CPUTIME_ID); }

/* Compare and set, from nothing; what is there afterwards. */
static uint64_t claim(uint64_t *at, uint64_t value)
{
    uint64_t nothing = 0;
    return __atomic_compare_exchange_n(at, &nothing, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? value : nothing;
}

/* Files of the kernel's own that are no files. */
static int is_made_up(int fd)
{
    static const long kinds[] = {0x9fa0 /* proc */, 0x62656572 /* sysfs */, 0x27e0eb /* cgroup */, 0x63677270 /* cgroup2 */,
                                 0x64626720 /* debugfs */, 0x74726163 /* tracefs */, 0xcafe4a11 /* bpf */};
    struct statfs found;
    if (syscall(SYS_fstatfs, fd, &found))
        return 1;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((long)found.f_type == kinds[i])
            return 1;
    return 0;
}

static void name(struct file *file, int fd)
{
    char link[32] = "/proc/self/fd/", digits[12], path[PATH_MAX];
    char *to = link + strlen(link);
    int count = 0;
    do digits[count++] = '0' + fd % 10; while ((fd /= 10));
    while (count)
        *to++ = digits[--count];
    *to = 0;
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path);
    if (length <= 0 || path[0] != '/' || !strncmp(path, "/dev/", 5) || !strncmp(path, "/memfd:", 7))
        return;
    uint64_t at = ADD(table->names_used, length);
    if (at + length > NAME_BYTES) {
        ADD(table->lost, 1);
        return;
    }
    memcpy(table->names + at, path, length);
    file->name_at = at;
    STORE(file->name_length, length);
}

/* The row of the file behind `fd`, or nothing where it is none, or the table is full. */
static struct file *row_of(int fd, struct stat *found)
{
    if (fd < 0 || syscall(SYS_fstat, fd, found) || !S_ISREG(found->st_mode))
        return 0;
    uint64_t key = ((uint64_t)found->st_ino * 0x9E3779B97F4A7C15u ^ (uint64_t)found->st_dev * 0xC2B2AE3D27D4EB4Fu) | 1;
    for (unsigned i = 0; i < PROBES; i++) {
        struct file *row = &table->files[((key >> 40) + i) % FILES];
        uint64_t there = LOAD(row->key);
        if (!there) {
            if (is_made_up(fd))
                return 0;
            there = claim(&row->key, key);
            if (there == key && !LOAD(row->name_length))
                name(row, fd);
        }
        if (there == key) {
            STORE(row->size, (uint64_t)found->st_size);
            return row;
        }
    }
    ADD(table->lost, 1);
    return 0;
}

/* After a call that began at `began`, on a file: `read` by calls, `mapped`, or opened. Leaves errno as it was. */
static void note(int fd, uint64_t began, uint64_t read, uint64_t mapped, int opened)
{
    int error = errno;
    uint64_t ended = now();
    struct stat found;
    struct file *row = row_of(fd, &found);
    if (row) {
        claim(&row->first_ns, began);
        ADD(row->busy_ns, ended - began);
        if (read)
            ADD(row->read, read);
        if (mapped)
            ADD(row->mapped, mapped);
        if (opened)
            ADD(row->times, 1);
    }
    ADD(table->calls, 1);
    uint64_t took = now() - ended;
    ADD(table->own_ns, took < LONGEST_NOTE_NS ? took : LONGEST_NOTE_NS);
    errno = error;
}

/* What a look at the clock costs: each call begins with one, which `note` can not count. */
static uint64_t cost_of_a_look(void)
{
    uint64_t none = UINT64_MAX, one = UINT64_MAX;
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t begun = computed(), between = computed();
        now();
        uint64_t ended = computed();
        none = between - begun < none ? between - begun : none;
        one = ended - between < one ? ended - between : one;
    }
    return one > none ? one - none : 1;
}

/* --- opening --- */

static int reads(int flags) { return (flags & O_ACCMODE) != O_WRONLY && !(flags & (O_PATH | O_DIRECTORY)); }

#define NOTED_OPEN(call, flags) \
    if (!measuring() || !reads(flags)) return call; \
    uint64_t began = now(); \
    int fd = call; \
    if (fd >= 0) note(fd, began, 0, 0, 1); \
    return fd
#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list rest; va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        REAL(int, name, const char *, int, ...); \
        NOTED_OPEN(real(path, flags, mode), flags); \
    }
#define OPEN_AT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        va_list rest; va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        REAL(int, name, int, const char *, int, ...); \
        NOTED_OPEN(real(folder, path, flags, mode), flags); \
    }
#define OPEN_2(name) \
    int name(const char *path, int flags) { REAL(int, name, const char *, int); NOTED_OPEN(real(path, flags), flags); }
#define OPEN_AT_2(name) \
    int name(int folder, const char *path, int flags) \
    { REAL(int, name, int, const char *, int); NOTED_OPEN(real(folder, path, flags), flags); }
OPEN(open) OPEN(open64) OPEN_AT(openat) OPEN_AT(openat64)
OPEN_2(__open_2) OPEN_2(__open64_2) OPEN_AT_2(__openat_2) OPEN_AT_2(__openat64_2)

#define NOTED_FOPEN(call) \
    if (!measuring()) return call; \
    uint64_t began = now(); \
    FILE *file = call; \
    if (file && (how[0] == 'r' || strchr(how, '+'))) note(fileno(file), began, 0, 0, 1); \
    return file
#define FOPEN(name) \
    FILE *name(const char *path, const char *how) \
    { REAL(FILE *, name, const char *, const char *); NOTED_FOPEN(real(path, how)); }
#define FREOPEN(name) \
    FILE *name(const char *path, const char *how, FILE *old) \
    { REAL(FILE *, name, const char *, const char *, FILE *); NOTED_FOPEN(real(path, how, old)); }
FOPEN(fopen) FOPEN(fopen64) FREOPEN(freopen) FREOPEN(freopen64)

/* --- reading --- */

#define NOTED(type, fd, call) \
    if (!measuring()) return call; \
    uint64_t began = now(); \
    type got = call; \
    if (got >= 0) note(fd, began, (uint64_t)got, 0, 0); \
    return got
#define READ(name, parameters, arguments, ...) \
    ssize_t name parameters { REAL(ssize_t, name, __VA_ARGS__); NOTED(ssize_t, fd, real arguments); }
READ(read, (int fd, void *to, size_t size), (fd, to, size), int, void *, size_t)
READ(__read_chk, (int fd, void *to, size_t size, size_t room), (fd, to, size, room), int, void *, size_t, size_t)
READ(pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), int, void *, size_t, off_t)
READ(pread64, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), int, void *, size_t, off_t)
READ(__pread_chk, (int fd, void *to, size_t size, off_t at, size_t room), (fd, to, size, at, room),
     int, void *, size_t, off_t, size_t)
READ(__pread64_chk, (int fd, void *to, size_t size, off_t at, size_t room), (fd, to, size, at, room),
     int, void *, size_t, off_t, size_t)
READ(readv, (int fd, const struct iovec *to, int count), (fd, to, count), int, const struct iovec *, int)
READ(preadv, (int fd, const struct iovec *to, int count, off_t at), (fd, to, count, at),
     int, const struct iovec *, int, off_t)
READ(preadv64, (int fd, const struct iovec *to, int count, off_t at), (fd, to, count, at),
     int, const struct iovec *, int, off_t)
READ(preadv2, (int fd, const struct iovec *to, int count, off_t at, int how), (fd, to, count, at, how),
     int, const struct iovec *, int, off_t, int)
READ(preadv64v2, (int fd, const struct iovec *to, int count, off_t at, int how), (fd, to, count, at, how),
     int, const struct iovec *, int, off_t, int)
READ(sendfile, (int out, int fd, off_t *at, size_t size), (out, fd, at, size), int, int, off_t *, size_t)
READ(sendfile64, (int out, int fd, off_t *at, size_t size), (out, fd, at, size), int, int, off_t *, size_t)
READ(copy_file_range, (int fd, off_t *from, int out, off_t *to, size_t size, unsigned how),
     (fd, from, out, to, size, how), int, off_t *, int, off_t *, size_t, unsigned)

#define MMAP(name) \
    void *name(void *where, size_t size, int rights, int flags, int fd, off_t at) \
    { \
        REAL(void *, name, void *, size_t, int, int, int, off_t); \
        if (fd < 0 || flags & MAP_ANONYMOUS || !measuring()) return real(where, size, rights, flags, fd, at); \
        uint64_t began = now(); \
        void *got = real(where, size, rights, flags, fd, at); \
        if (got != MAP_FAILED) note(fd, began, 0, size, 0); \
        return got; \
    }
MMAP(mmap) MMAP(mmap64)

/* A stream reads ahead, by calls within the C library: what it takes from the file is how far that moved, and what
   lies in its buffer already costs no look at all. */
static off_t moved_to(FILE *file) { return syscall(SYS_lseek, fileno(file), 0, SEEK_CUR); }
static int holds(FILE *file, size_t bytes)
{
    return file->_IO_read_end > file->_IO_read_ptr && (size_t)(file->_IO_read_end - file->_IO_read_ptr) >= bytes;
}
#define STREAM(type, name, file, bytes, parameters, arguments, ...) \
    type name parameters \
    { \
        REAL(type, name, __VA_ARGS__); \
        if (!measuring() || holds(file, bytes)) return real arguments; \
        off_t before = moved_to(file); \
        uint64_t began = now(); \
        type got = real arguments; \
        int error = errno; \
        off_t after = before < 0 ? before : moved_to(file); \
        if (after > before) note(fileno(file), began, (uint64_t)(after - before), 0, 0); \
        errno = error; \
        return got; \
    }
#undef fread_unlocked
#undef fgets_unlocked
#undef getc
STREAM(size_t, fread, from, size * n, (void *to, size_t size, size_t n, FILE *from), (to, size, n, from),
       void *, size_t, size_t, FILE *)
STREAM(size_t, fread_unlocked, from, size * n, (void *to, size_t size, size_t n, FILE *from), (to, size, n, from),
       void *, size_t, size_t, FILE *)
STREAM(size_t, __fread_chk, from, size * n, (void *to, size_t room, size_t size, size_t n, FILE *from),
       (to, room, size, n, from), void *, size_t, size_t, size_t, FILE *)
STREAM(size_t, __fread_unlocked_chk, from, size * n, (void *to, size_t room, size_t size, size_t n, FILE *from),
       (to, room, size, n, from), void *, size_t, size_t, size_t, FILE *)
STREAM(char *, fgets, from, n, (char *to, int n, FILE *from), (to, n, from), char *, int, FILE *)
STREAM(char *, fgets_unlocked, from, n, (char *to, int n, FILE *from), (to, n, from), char *, int, FILE *)
STREAM(char *, __fgets_chk, from, n, (char *to, size_t room, int n, FILE *from), (to, room, n, from),
       char *, size_t, int, FILE *)
STREAM(ssize_t, getdelim, from, SIZE_MAX, (char **to, size_t *n, int end, FILE *from), (to, n, end, from),
       char **, size_t *, int, FILE *)
STREAM(ssize_t, __getdelim, from, SIZE_MAX, (char **to, size_t *n, int end, FILE *from), (to, n, end, from),
       char **, size_t *, int, FILE *)
STREAM(ssize_t, getline, from, SIZE_MAX, (char **to, size_t *n, FILE *from), (to, n, from), char **, size_t *, FILE *)
STREAM(int, fgetc, from, 1, (FILE *from), (from), FILE *)
STREAM(int, getc, from, 1, (FILE *from), (from), FILE *)
STREAM(int, _IO_getc, from, 1, (FILE *from), (from), FILE *)

#include "programs.h"

__attribute__((constructor)) static void begin(void)
{
    uint64_t begun = computed();
    const char *path = 0;
    Dl_info us;
    for (char **entry = environ; entry && *entry; entry++)
        if (!strncmp(*entry, TABLE, strlen(TABLE)))
            path = *entry + strlen(TABLE);
    if (!path || strlen(path) >= LONGEST_PATH || !dladdr((void *)begin, &us) || strlen(us.dli_fname) >= LONGEST_PATH)
        return;
    strcpy(our_path, us.dli_fname);
    strcat(strcpy(table_entry, TABLE), path);
    hide();
    int fd = syscall(SYS_openat, AT_FDCWD, table_entry + strlen(TABLE), O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    REAL(void *, mmap, void *, size_t, int, int, int, off_t);
    void *mapped = real(0, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped == MAP_FAILED)
        return;
    struct table *found = mapped;
    looked_up(&real_execve, "execve");
    looked_up(&real_execvpe, "execvpe");
    claim(&found->look_ns, cost_of_a_look());
    ADD(found->own_ns, computed() - begun);
    table = found;
}
