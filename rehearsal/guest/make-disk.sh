#!/usr/bin/env bash
# Make a guest's disk: a root file system, files laid over it, configured, with container images if there is a store
# of them, as one ext4 file system without partitions. Needs a mount namespace of its own, which takes the mounts away;
# safe to run twice.
# usage: make-disk.sh ROOT GUEST_DIRECTORY WORK SIZE_GB [IMAGE_STORE]
# Leaves WORK/guest.qcow2.
set -euo pipefail
[[ $# -eq 4 || $# -eq 5 ]] || { echo "usage: make-disk.sh ROOT GUEST_DIRECTORY WORK SIZE_GB [IMAGE_STORE]" >&2; exit 2; }
root=$1 guest=$2 work=$3 size_gb=$4 store=${5:-}

rm -rf "$work/upper" "$work/scratch" "$work/disk.raw" "$work/guest.qcow2"
mkdir -p "$work/upper" "$work/scratch" "$work/tree"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/scratch" "$work/tree"

cp -rT --no-preserve=ownership,mode "$guest/files" "$work/tree"
chroot "$work/tree" bash -s <"$guest/configure.sh"
if [[ -n $store ]]; then
  mkdir -p "$work/tree/var/lib/docker"
  mount --bind "$store" "$work/tree/var/lib/docker"
fi

# Neither checksums nor 64 bits: both only cost time on a disk of some GB that lives for a day.
mkfs.ext4 -q -F -L root -m 1 -O ^metadata_csum,^64bit -J size=16 -E lazy_itable_init=0,lazy_journal_init=1 \
  -d "$work/tree" "$work/disk.raw" "${size_gb}G"
qemu-img convert -f raw -O qcow2 -W -m 4 -c -o compression_type=zstd "$work/disk.raw" "$work/guest.qcow2"
rm -rf "$work/disk.raw"
