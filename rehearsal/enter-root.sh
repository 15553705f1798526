#!/bin/sh
# enter-root.sh ROOT [SOURCE TARGET]... -- COMMAND...
# Mounts what a root file system needs and runs the command in it. Meant to run in a mount namespace of its
# own, so that the mounts go with the last process, however it ends.
set -eu
[ $# -ge 3 ] || { echo "usage: enter-root.sh ROOT [SOURCE TARGET]... -- COMMAND..." >&2; exit 64; }
root=$1
shift
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
        mkdir -p "$root/$2"
    else
        mkdir -p "$root/$(dirname "$2")"
        [ -e "$root/$2" ] || : >"$root/$2"
    fi
    mount --rbind "$1" "$root/$2"
    shift 2
done
shift
exec chroot "$root" "$@"
