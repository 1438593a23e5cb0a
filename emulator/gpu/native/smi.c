/* nvidia-smi of a machine with the cards that FC would give: the table, -L, --query-gpu and what goes with it. */
#include "card.h"
#include <time.h>

static struct card card;
static int wanted = -1; /* -i: one card only */

static const char *field(const char *name, int index, char *to, size_t size, const char **unit)
{
    unsigned long long busy = used(0, 0, 0);
    if (busy > card.memory_mb)
        busy = card.memory_mb;
    *unit = "";
    if (!strcmp(name, "index")) snprintf(to, size, "%d", index);
    else if (!strcmp(name, "count")) snprintf(to, size, "%d", card.count);
    else if (!strcmp(name, "name") || !strcmp(name, "gpu_name")) snprintf(to, size, "%s", card.name);
    else if (!strcmp(name, "uuid") || !strcmp(name, "gpu_uuid")) snprintf(to, size, "%s", card.uuid[index]);
    else if (!strcmp(name, "driver_version")) snprintf(to, size, "%s", card.driver);
    else if (!strcmp(name, "compute_cap")) snprintf(to, size, "%d.%d", card.major, card.minor);
    else if (!strcmp(name, "pstate")) snprintf(to, size, "P8");
    else if (!strcmp(name, "temperature.gpu")) snprintf(to, size, "30");
    else if (!strcmp(name, "persistence_mode")) snprintf(to, size, "Enabled");
    else if (!strcmp(name, "compute_mode")) snprintf(to, size, "Default");
    else if (!strcmp(name, "pci.bus_id") || !strcmp(name, "gpu_bus_id"))
        snprintf(to, size, "00000000:%02X:00.0", index + 1);
    else if (!strcmp(name, "utilization.gpu") || !strcmp(name, "utilization.memory")) {
        snprintf(to, size, "0");
        *unit = " %";
    } else if (!strcmp(name, "power.draw")) {
        snprintf(to, size, "10.00");
        *unit = " W";
    } else if (!strncmp(name, "memory.", 7)) {
        name += 7;
        unsigned long long mb = !strcmp(name, "total") ? card.memory_mb : !strcmp(name, "used") ? busy
            : !strcmp(name, "free") ? card.memory_mb - busy : ~0ull;
        if (mb == ~0ull)
            return 0;
        snprintf(to, size, "%llu", mb);
        *unit = " MiB";
    } else if (!strcmp(name, "fan.speed") || !strcmp(name, "mig.mode.current") || !strcmp(name, "serial"))
        snprintf(to, size, "[N/A]");
    else
        return 0;
    return to;
}

/* A heading has the unit where the rows are without one, and the other way round. */
static const char *unit_of(const char *name)
{
    char value[128];
    const char *unit;
    field(name, 0, value, sizeof value, &unit);
    return *unit ? unit + 1 : "";
}

static int query(const char *names, int header, int units)
{
    char copy[2048], *name, *rest;
    char value[128];
    const char *unit;
    for (int row = header ? -1 : 0; row < card.count; row++) {
        if (row >= 0 && wanted >= 0 && row != wanted)
            continue;
        snprintf(copy, sizeof copy, "%s", names);
        rest = copy;
        for (const char *comma = ""; (name = strsep(&rest, ",")); comma = ", ") {
            name += strspn(name, " ");
            if (!field(name, row < 0 ? 0 : row, value, sizeof value, &unit)) {
                printf("Field \"%s\" is not a valid field to query.\n\n", name);
                return 2;
            }
            if (row < 0 && *unit)
                printf("%s%s [%s]", comma, name, unit_of(name));
            else if (row < 0)
                printf("%s%s", comma, name);
            else
                printf("%s%s%s", comma, value, units ? unit : "");
        }
        printf("\n");
    }
    return 0;
}

static int processes(int header, int units)
{
    (void)units;
    if (header)
        printf("pid, process_name, used_gpu_memory [MiB]\n");
    return 0;
}

static int list(void)
{
    for (int i = 0; i < card.count; i++)
        if (wanted < 0 || wanted == i)
            printf("GPU %d: %s (UUID: %s)\n", i, card.name, card.uuid[i]);
    return 0;
}

static void line(char fill, int columns)
{
    static const int widths[] = {41, 24, 22};
    printf(fill == '=' ? "|" : "+");
    if (!columns) {
        for (int i = 0; i < 89; i++)
            putchar(fill);
        printf(fill == '=' ? "|\n" : "+\n");
        return;
    }
    for (int column = 0; column < 3; column++) {
        for (int i = 0; i < widths[column]; i++)
            putchar(fill);
        printf(fill == '=' && column == 2 ? "|" : "+");
    }
    printf("\n");
}

static int table(void)
{
    char when[64], cuda[16], memory[48];
    time_t now = time(0);
    strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", localtime(&now));
    snprintf(cuda, sizeof cuda, "%d.%d", card.cuda / 1000, card.cuda % 1000 / 10);
    printf("%s\n", when);
    line('-', 0);
    printf("| NVIDIA-SMI %-22s Driver Version: %-14s CUDA Version: %-8s |\n", card.driver, card.driver, cuda);
    line('-', 1);
    printf("| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |\n");
    printf("| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |\n");
    line('=', 1);
    for (int i = 0; i < card.count; i++) {
        if (wanted >= 0 && wanted != i)
            continue;
        snprintf(memory, sizeof memory, "%lluMiB / %lluMiB", used(0, 0, 0), card.memory_mb);
        printf("| %3d  %-26.26s     On  |   00000000:%02X:00.0 Off |                  N/A |\n", i, card.name, i + 1);
        printf("| N/A   30C    P8             10W /  N/A  | %22s |      0%%      Default |\n", memory);
        line('-', 1);
    }
    printf("\n");
    line('-', 0);
    printf("| %-87s |\n", "Processes:");
    printf("| %-87s |\n", "No running processes found");
    line('-', 0);
    printf("| %-87s |\n", "fclocal --gpu fake: no card is here, this is the one that FC would give");
    line('-', 0);
    return 0;
}

static int starts(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

int main(int count, char **words)
{
    const char *names = 0, *format = "";
    int lists = 0, apps = 0;
    read_card(&card, 0);
    if (!has_driver(&card)) {
        printf("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest "
               "NVIDIA driver is installed and running.\n\n");
        return 9;
    }
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (!strcmp(word, "-L") || !strcmp(word, "--list-gpus")) lists = 1;
        else if (starts(word, "--query-gpu=")) names = word + 12;
        else if (starts(word, "--query-compute-apps=")) apps = 1;
        else if (starts(word, "--format=")) format = word + 9;
        else if (starts(word, "--id=")) wanted = atoi(word + 5);
        else if (!strcmp(word, "-i") && i + 1 < count) wanted = atoi(words[++i]);
        else {
            printf("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n\n");
            return 2;
        }
    }
    if (wanted >= card.count) {
        printf("No devices were found\n");
        return 6;
    }
    if (lists)
        return list();
    if (!names && !apps)
        return card.count ? table() : (printf("No devices were found\n"), 6);
    if (!starts(format, "csv")) {
        printf("\"--format=\" switch is missing. Please run 'nvidia-smi -h' for help.\n\n");
        return 2;
    }
    int header = !strstr(format, "noheader"), units = !strstr(format, "nounits");
    return apps ? processes(header, units) : query(names, header, units);
}
