export PATH=/bin HOME=/root PS1='\w \$ '
cd
alias poweroff='poweroff -f' reboot='reboot -f'
stty sane 2>/dev/null
cat <<'TEXT'

  Welcome to the Cairn demo: Linux in a machine with an undo button.

    clock        print the time every second
    dirty 32     keep writing to 32 MiB of memory, number each pass
    poweroff     turn this machine off

  Take a checkpoint while one of them runs, wreck what you like
  (rm -rf / is fine), then revert.

TEXT
