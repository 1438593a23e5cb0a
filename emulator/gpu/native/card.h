/* What the test doubles of NVIDIA's driver say of themselves: read from the file `card` beside their folder.

   Lines of KEY=VALUE: name, memory_mb, driver, cuda (13000 is 13.0), compute (7.5), count, and nodes=1 where a card is
   there only if its device node is, as with the real driver. The file `used` beside it, if there is one, has lines of
   PID MB. Which cards there are, and their names for programs, is what NVIDIA_VISIBLE_DEVICES says. */
#ifndef FCLOCAL_CARD_H
#define FCLOCAL_CARD_H
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_CARDS 16

struct card {
    char name[96], driver[32], uuid[MOST_CARDS][80];
    int cuda, major, minor, count, nodes;
    unsigned long long memory_mb;
};

/* The folder that holds our own: .../lib/libcuda.so.1 is in .../ */
static void home(char *path, size_t size, const void *own)
{
    Dl_info info;
    char *slash;
    path[0] = 0;
    if (own && dladdr(own, &info) && info.dli_fname && strchr(info.dli_fname, '/'))
        snprintf(path, size, "%s", info.dli_fname);
    else {
        ssize_t length = readlink("/proc/self/exe", path, size - 1);
        path[length > 0 ? length : 0] = 0;
    }
    for (int up = 0; up < 2; up++)
        if ((slash = strrchr(path, '/')))
            *slash = 0;
}

static int visible(struct card *card)
{
    const char *names = getenv("NVIDIA_VISIBLE_DEVICES");
    char copy[2048], *rest = copy, *name;
    int count = 0;
    if (!names || strncmp(names, "GPU-", 4))
        return card->count;
    snprintf(copy, sizeof copy, "%s", names);
    while ((name = strsep(&rest, ",")) && count < MOST_CARDS)
        if (*name)
            snprintf(card->uuid[count++], sizeof card->uuid[0], "%s", name);
    return count;
}

static void read_card(struct card *card, const void *own)
{
    char path[PATH_MAX + 8], line[256], node[32], *value;
    memset(card, 0, sizeof *card);
    snprintf(card->name, sizeof card->name, "NVIDIA");
    card->count = 1;
    home(path, PATH_MAX, own);
    strcat(path, "/card");
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!(value = strchr(line, '=')))
            continue;
        *value++ = 0;
        if (!strcmp(line, "name")) snprintf(card->name, sizeof card->name, "%.95s", value);
        else if (!strcmp(line, "driver")) snprintf(card->driver, sizeof card->driver, "%.31s", value);
        else if (!strcmp(line, "memory_mb")) card->memory_mb = strtoull(value, 0, 10);
        else if (!strcmp(line, "cuda")) card->cuda = atoi(value);
        else if (!strcmp(line, "compute")) sscanf(value, "%d.%d", &card->major, &card->minor);
        else if (!strcmp(line, "count")) card->count = atoi(value);
        else if (!strcmp(line, "nodes")) card->nodes = atoi(value);
    }
    if (file)
        fclose(file);
    if (card->count > MOST_CARDS)
        card->count = MOST_CARDS;
    for (int i = 0; i < MOST_CARDS; i++)
        snprintf(card->uuid[i], sizeof card->uuid[0], "GPU-fc10ca10-0000-4000-8000-%012d", i);
    card->count = visible(card);
    for (int i = 0; card->nodes && i < card->count; i++) {
        snprintf(node, sizeof node, "/dev/nvidia%d", i);
        if (access(node, R_OK | W_OK))
            card->count = i;
    }
}

/* Without its control node no program finds the driver. */
__attribute__((unused)) static int has_driver(const struct card *card)
{
    return !card->nodes || access("/dev/nvidiactl", R_OK | W_OK) == 0;
}

/* Calls `each` for every process that is said to use memory; the sum in MB. */
__attribute__((unused)) static unsigned long long used(const void *own, void (*each)(void *, unsigned, unsigned long long), void *with)
{
    char path[PATH_MAX + 8];
    unsigned pid;
    unsigned long long mb, sum = 0;
    home(path, PATH_MAX, own);
    strcat(path, "/used");
    FILE *file = fopen(path, "re");
    while (file && fscanf(file, "%u %llu", &pid, &mb) == 2) {
        sum += mb;
        if (each)
            each(with, pid, mb);
    }
    if (file)
        fclose(file);
    return sum;
}
#endif
