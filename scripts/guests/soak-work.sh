#!/bin/sh
# Unpacks, compares and compiles Lua over and over: "round N good", or "BROKEN" and what.
broken() {
	echo "BROKEN: $*"
	exit 1
}
round=0
while :; do
	round=$((round + 1))
	work=/var/tmp/work-$round
	rm -rf "/var/tmp/work-$((round - 2))" "$work"
	mkdir "$work" && cd "$work" || broken "no folder $work"
	tar xzf /usr/src/lua.tar.gz || broken "tar ended with $?"
	sha256sum --quiet -c /usr/src/lua.sha256 || broken "a file of round $round is not what was unpacked"
	echo "round $round unpacked"
	cd lua-*/src || broken "no source in $work"
	for source in *.c; do
		[ "$source" = luac.c ] && continue
		tcc -c "$source" || broken "$source does not compile"
		echo "round $round compiled $source"
	done
	tcc -o lua ./*.o -lm -ldl || broken "no lua in round $round"
	[ "$(./lua -e 'local s = 0 for i = 1, 50000 do s = (s * 31 + i) % 65521 end print(s)')" = 42544 ] || broken "lua computes wrongly"
	[ "$round" = 1 ] || diff -r "/var/tmp/work-$((round - 1))" "$work" || broken "round $round differs from the one before"
	sync
	echo "round $round good"
done
