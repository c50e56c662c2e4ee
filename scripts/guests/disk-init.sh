#!/bin/sh
# Process 1 of the guest with disks: loads the modules in the order of their list, with the parameters
# that the kernel's command line has for them (libata.dma=0), mounts "mount=DEVICE" of the kernel's command line on /mnt,
# then becomes busybox's init, which keeps a shell on each console (inittab). With "system=DEVICE" it becomes the init of the system there.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=90% tmp /tmp
hostname cairn
read -r words </proc/cmdline
while read -r module; do
	parameters=
	for word in $words; do
		case $word in "$module".*) parameters="$parameters ${word#*.}" ;; esac
	done
	insmod "/lib/modules/$module.ko" $parameters
done </lib/modules/order
wait_for() {
	tries=100 # of a tenth of a second: controllers are searched for disks in the background
	until [ -b "$1" ] || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done
}
if [ -n "$system" ]; then
	wait_for "$system"
	e2fsck -p "$system"
	mount -o noatime "$system" /mnt && exec switch_root /mnt /sbin/init
	echo "MOUNT-FAILED $system"
elif [ -n "$mount" ]; then
	wait_for "$mount"
	mount -o noatime "$mount" /mnt || echo "MOUNT-FAILED $mount"
fi
exec /bin/linuxrc
