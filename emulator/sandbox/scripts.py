"""The constant shell programs that start an instance. Data reaches them as arguments, never as program text.

A shell starts in a millisecond where a Python launcher takes twelve. The descriptors that they know:
3 endpoint, 4 seccomp filter, 5 bubblewrap's information, 6 bubblewrap's gate, 7 its information to read,
8 our report, 9 bubblewrap's options. `ulimit -f` counts blocks of 512 bytes (POSIX).
"""

from __future__ import annotations

# Joins control groups itself before the program runs: nothing can be forked or allocated outside of them.
# Arguments: open files, file size in KB (0: any), working folder, number of groups, groups…, program…
DIRECT = """
ulimit -c 0; ulimit -n "$1" 2>/dev/null; [ "$2" = 0 ] || ulimit -f $(($2 * 2))
cd "$3" || exit 1
groups=$4; shift 4
while [ "$groups" -gt 0 ]; do
  echo 0 > "$1/cgroup.procs" || exit 1
  shift; groups=$((groups - 1))
done
exec "$@"
"""

# bubblewrap builds the walls while a background child of this shell moves its inner process into the control
# groups, which takes 5-15 ms of waiting in the kernel; bubblewrap waits at its gate (fd 6) before it goes on.
# Its information is read to the end: it comes in pieces, and bubblewrap would die of SIGPIPE if nobody read them.
# Arguments: open files, file size in KB (0: any), number of groups, groups…, program…
WALLED = """
ulimit -c 0; ulimit -n "$1" 2>/dev/null; [ "$2" = 0 ] || ulimit -f $(($2 * 2))
groups=$3; shift 3
[ "$groups" = 0 ] || (
  exec 3<&- 4<&- 5>&- 6<&- 9<&-
  pid=
  while read -r key value; do
    case $key in
      '"child-pid":') pid=${value%,} ;;
      '}') break ;;
    esac
  done <&7
  [ -n "$pid" ] || exit 1
  while [ "$groups" -gt 0 ]; do
    echo "$pid" > "$1/cgroup.procs" || exit 1
    shift; groups=$((groups - 1))
  done
  echo "{ \\"child-pid\\": $pid }" >&8
) &
shift "$groups"
[ "$groups" = 0 ] || exec 7<&- 8>&-
exec "$@"
"""

# Mounts overlays in a user namespace of its own, where bubblewrap can not do it itself (before 0.11).
# Arguments: folder of the overlays, their number, then options and mount point of each, program…
OVERLAID = """
cd "$1" || exit 1
count=$2; shift 2
while [ "$count" -gt 0 ]; do
  mount -n -i -t overlay -o "$1" overlay "$2" || exit 1
  shift 2; count=$((count - 1))
done
cd / && exec "$@"
"""
