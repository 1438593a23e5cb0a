/* The environment as code of the function sees it, and as the programs have it that a process becomes or starts: those are
   given what was taken away. Part of reads.c. */
/* Takes us out of a list of libraries, as colons or blanks part them (ld.so(8)); true where nothing is left. */
static int without_us(char *list)
{
    char *at = strstr(list, our_path);
    if (!at)
        return 0;
    char *behind = at + strlen(our_path);
    while (*behind == ':' || *behind == ' ')
        behind++;
    memmove(at, behind, strlen(behind) + 1);
    return !*list;
}

static void hide(void)
{
    char **to = environ;
    for (char **from = environ; from && *from; from++) {
        int ours = !strncmp(*from, TABLE, strlen(TABLE));
        if (!strncmp(*from, PRELOAD, strlen(PRELOAD)))
            ours = without_us(*from + strlen(PRELOAD));
        if (!ours)
            *to++ = *from;
    }
    if (to)
        *to = 0;
}

static size_t words(char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

static const char *preloaded(char *const *list)
{
    for (; list && *list; list++)
        if (!strncmp(*list, PRELOAD, strlen(PRELOAD)))
            return *list + strlen(PRELOAD);
    return 0;
}

/* `environment` with us in it, in `room`, which has to hold `room_for` bytes: there may be no other memory. */
static size_t room_for(char *const *environment)
{
    const char *theirs = preloaded(environment);
    return (words(environment) + 3) * sizeof(char *) + sizeof PRELOAD + LONGEST_PATH + 2 + (theirs ? strlen(theirs) : 0);
}
static char **with_us(char *const *environment, void *room)
{
    char **list = room;
    size_t count = 0;
    const char *theirs = preloaded(environment);
    char *line = (char *)(list + words(environment) + 3);
    strcpy(line, PRELOAD);
    strcat(line, our_path);
    if (theirs && *theirs)
        strcat(strcat(line, ":"), theirs);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, PRELOAD, strlen(PRELOAD)))
            list[count++] = *environment;
    list[count++] = line;
    list[count++] = table_entry;
    list[count] = 0;
    return list;
}
#define WITH_US(environment) \
    (measuring() ? with_us((environment), __builtin_alloca(room_for(environment))) : (char **)(environment))

/* Looked up by `begin`: in a child of several threads a lookup may wait for one that is not there any more. */
typedef int Exec(const char *, char *const *, char *const *);
static Exec *real_execve, *real_execvpe;
static Exec *looked_up(Exec **known, const char *name)
{
    return *known ? *known : (*known = (Exec *)dlsym(RTLD_NEXT, name));
}
int execve(const char *path, char *const argv[], char *const env[])
{
    return looked_up(&real_execve, "execve")(path, argv, WITH_US(env));
}
int execvpe(const char *path, char *const argv[], char *const env[])
{
    return looked_up(&real_execvpe, "execvpe")(path, argv, WITH_US(env));
}
int fexecve(int fd, char *const argv[], char *const env[])
{
    REAL(int, fexecve, int, char *const *, char *const *);
    return real(fd, argv, WITH_US(env));
}
int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }
int execvp(const char *path, char *const argv[]) { return execvpe(path, argv, environ); }

/* The list of arguments ends with a null, and for execle with the environment behind it. */
#define LISTED(name, call) \
    int name(const char *path, const char *first, ...) \
    { \
        size_t count = 1; \
        va_list rest; va_start(rest, first); \
        while (va_arg(rest, char *)) count++; \
        va_end(rest); \
        char **argv = __builtin_alloca((count + 1) * sizeof *argv); \
        argv[0] = (char *)first; \
        va_start(rest, first); \
        for (size_t i = 1; i <= count; i++) argv[i] = va_arg(rest, char *); \
        int result = call; \
        va_end(rest); \
        return result; \
    }
LISTED(execl, execv(path, argv))
LISTED(execlp, execvp(path, argv))
LISTED(execle, execve(path, argv, va_arg(rest, char *const *)))

#define SPAWN(name) \
    int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *how, \
             char *const argv[], char *const env[]) \
    { \
        REAL(int, name, pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, \
             char *const *, char *const *); \
        return real(pid, path, actions, how, argv, WITH_US(env)); \
    }
SPAWN(posix_spawn) SPAWN(posix_spawnp)
