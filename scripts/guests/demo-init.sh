#!/bin/sh
# The demo VM's process 1: mounts what a shell needs, then becomes busybox's init, which keeps a shell on each console (inittab).
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=90% tmp /tmp
hostname cairn
exec /bin/linuxrc
