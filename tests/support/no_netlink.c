/* Preloaded into Chromium, which gives all loads up whenever an interface of the machine comes or goes
   (ERR_NETWORK_CHANGED): instances and containers of other tests have networks of their own. It is told by netlink. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int socket(int domain, int type, int protocol) {
    static int (*real)(int, int, int);
    if (domain == AF_NETLINK) {
        errno = EPERM;
        return -1;
    }
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "socket");
    return real(domain, type, protocol);
}
