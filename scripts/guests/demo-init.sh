#!/bin/sh
# The demo VM's process 1: a shell on the screen and one on the first serial port, each started again when it ends.
export PATH=/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=90% tmp /tmp
hostname cairn
cd /root

shell_on() {
	while :; do
		TERM=$2 setsid -c sh -l <"/dev/$1" >"/dev/$1" 2>&1
	done
}
shell_on tty1 linux &
shell_on ttyS0 xterm &
while :; do wait; sleep 1; done
