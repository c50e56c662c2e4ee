/** What `cairn --help` and `cairn VERB --help` say. */

export const HELP = `Cairn: a PC with an undo button. Runs unmodified operating systems and takes checkpoints of them while they run.

  cairn run --name NAME --kernel FILE [options]   start a VM here, its serial port on stdin and stdout
  cairn run --name NAME                           start it again as it is configured
  cairn run --from CHECKPOINT --name NEW          start another VM from a checkpoint
  cairn checkpoint take|list|show|revert|delete|… the checkpoints of a VM, running or off
  cairn vm list|show|stop|pause|resume|reset|delete|rename|clone
  cairn disk create|info|convert|check|…          images of virtual disks
  cairn store create|info|check PATH              checkpoint volumes: checkpoints in one preallocated file, or on a block device
  cairn policy show|set NAME                      checkpoints that are taken unasked, and how long they are kept
  cairn check NAME, cairn repair NAME             whether every checkpoint can be restored; the records set right
  cairn inspect FILE                              what a file of Cairn's or a disk image holds, as JSON
  cairn serve                                     the window, in this machine's browser

Every verb takes --json (one JSON document on stdout) and --help (its options, with examples).
The library of VMs is the folder CAIRN_HOME, or a folder of your own where this system keeps programs' data.

Exit codes
  0   done; \`run\`: the guest powered off, halted for good, or was ended by you
  1   wrong words on the command line
  2   what was asked for cannot be: a file that is missing or no kernel, too much memory, no such VM
  3   the VM is open in another Cairn, which may not answer, or not in a state for that (running, off)
  4   a checkpoint could not be taken or read, its passphrase is missing or wrong, or the disk failed
  5   \`disk compare\`: the disks differ; \`check\`, \`disk check\`: something is damaged
  6   \`check\`, \`disk check\`: nothing is damaged, but there is something for \`repair\` or \`disk repair\` to do
  70  the VM crashed, or Cairn did
  74  all went well, but what was to be printed could not be written: the disk behind stdout is full, say
  141 the same, for nobody reads stdout any more (as after \`| head\`)
  130 ended by Ctrl-C
  \`run --debug-exit\` ends with (value << 1) | 1 when the guest writes a value to the debug-exit port
`;

export const RUN_HELP = `cairn run: start a VM in this terminal

  --name NAME         the VM; a new one is made when there is none of that name. Without it: a VM that is deleted at the end
  --memory SIZE       such as 512M or 2G (default 512M, at most 3072M)
  --kernel FILE       a Linux bzImage or a Multiboot 1 file
  --initrd FILE       its initial RAM disk, or the first Multiboot module
  --append TEXT       the kernel's command line
  --disk FILE[,if=virtio|ide|scsi][,format=raw|qcow2][,media=disk|cdrom][,cache=writeback|writethrough|unsafe][,readonly][,write-base][,allow=PATH]
                      an image where it lies, as often as there are disks; those given replace the VM's. What the guest writes goes into
                      COW files in the VM's folder. write-base is your word that the image itself may be written: in the checkpoint mode full-copy
                      the VM runs on it, in the mode copy what checkpoints leave is committed into it. Without format= name and
                      contents must agree: .qcow2, or .raw, .img, .iso, .dd. Backing files are followed in the image's own folder; allow=PATH, as often as you
                      like, names another file or folder. A comma in FILE is written twice. none,media=cdrom is an empty CD-ROM drive
  --checkpoint-mode chain|copy|full-copy
                      which disk files checkpoints leave: chain (default) copies nothing, and the VM's own chain grows; copy keeps that chain short,
                      at the price of one copy of the base; full-copy copies the base for each. A VM may change it at any time
  --chain-depth FILES at most so many files are read through for a disk (default: auto, 64; from 8 on): what longer chains say is copied together in the
                      background. A lower figure costs more room, a higher one makes reads a little slower; \`cairn vm show\` says how many there are
  --overwrite         each checkpoint replaces the one before it
  --balloon           a memory balloon: \`cairn vm balloon NAME 256M\` asks the guest to give memory back, which checkpoints do not save then
  --no-rng            no virtio entropy device: by default the guest is given this computer's random numbers
  --rtc host|virtual  what the guest's battery-backed clock (RTC) shows: this computer's time (default), also after a pause, a revert or while this computer
                      slept; or virtual time alone, so that the guest cannot tell. Linux reads it at its start only: \`hwclock -s\` in the guest sets
                      the system's time by it
  --compression zstd|none
                      of checkpoint files: zstd (default), or none, which is faster on a fast disk and takes more room
  --checkpoint-pace gentle|normal|fast
                      how much of the time checkpoints are written beside the guest: gentle a fifth, half after a minute; normal (default) half, all of
                      it after 30 seconds; fast all of it. Steps of your own: checkpointPace in vm.json
  --copy-limit SIZE   what copies of the pages that the guest writes meanwhile may take; the guest is slowed before they take more
                      (default: auto, about half the VM's memory)
  --keep-in-ram       the memory of the last checkpoints (up to 4, as room allows) stays in RAM, too: the VM goes back to one at once
  --share-memory      equal pages of the guest's memory become one, bit by bit in the background; \`cairn vm show\` says what that saves. How many pages
                      a second are looked at (5000): sharePace in vm.json
  --encrypt --passphrase-file FILE|-
                      device state and memory in this VM's checkpoint files are encrypted (AES-256-GCM) under the passphrase in FILE's first line, or
                      the first line of standard input; CAIRN_PASSPHRASE_FILE names the file as well. It is kept nowhere: without it nobody can start
                      from these checkpoints again, and each later start of the VM asks for it. In the clear stay: when and how large checkpoints are,
                      their titles and notes, which pages they hold, the VM's settings, and all disk layers
  --checkpoint-store FOLDER|VOLUME
                      checkpoint files are kept in FOLDER/NAME.checkpoints, such as on another disk or a mounted remote one, or in a checkpoint volume
                      (a file or a block device, see cairn store), and so are those of clones; disk layers stay in the library. It is chosen before the first
                      checkpoint, and the VM opens only while the store is there
  --from CHECKPOINT   go on from a checkpoint: an id, NAME/ID, or the path of a .ckpt file
  --verify            load and check all of a checkpoint's memory before the guest runs, instead of when it is touched
  --serial stdio|none the first serial port: on stdin and stdout, byte for byte (default), or nowhere
  --display none      no window (the only choice here: \`cairn serve\` shows the screen)
  --no-reboot         a reset by the guest ends the VM
  --debug-exit        let the guest end the VM with a code of its choice (port f4h, as QEMU's isa-debug-exit)
  --json              with --serial none: say at the end how it ended

A VM keeps what it was given. --rng, --no-overwrite, --no-balloon, --no-keep-in-ram, --no-share-memory, --no-encrypt, --no-debug-exit and --reboot take it back; checkpoints
that are encrypted stay so, and one that has a balloon in it starts only with the balloon.

With a terminal, Ctrl-A X ends the VM and Ctrl-A A sends a Ctrl-A. The end of stdin ends nothing. When nobody reads stdout any more, or its disk is full, the VM runs
on and that is said on stderr; the exit code at its end is 141 or 74 then, where it would be 0. A terminal that goes away (SIGHUP) ends it like SIGTERM: --shutdown of \`cairn policy\` keeps a checkpoint.
Checkpoints are taken from another terminal, or from \`cairn serve\`.

  cairn run --name debian --memory 512M --kernel vmlinuz --initrd initrd.gz --append "console=ttyS0"
  cairn run --name debian
  cairn run --name debian --disk debian.qcow2,if=virtio --disk tools.iso
  cairn run --from debian/mf3k2a9x81c0d4e7 --name experiment
  cairn run --kernel test.elf --debug-exit --no-reboot; echo $?
`;

export const CHECKPOINT_HELP = `cairn checkpoint: the checkpoint tree of a VM

  cairn checkpoint take NAME [--title TITLE] [--mode chain|copy|full-copy]
                                               while it runs; the pause is measured, and what it cost the guest meanwhile. --mode: as cairn run --checkpoint-mode, from now on
  cairn checkpoint list NAME
  cairn checkpoint revert NAME ID [--passphrase-file FILE|-]
                                               a running VM goes on from there at once, one that is off at its next start
  cairn checkpoint show NAME ID                what it holds and shares, what hangs on it, what deleting it frees
  cairn checkpoint rename NAME ID TITLE
  cairn checkpoint note NAME ID TEXT
  cairn checkpoint keep NAME ID [--off]        no policy and no \`delete\` without --force takes it
  cairn checkpoint delete NAME ID... [--children] [--force]
                                               also while the VM runs; what others need of it stays, and their place in the tree
  cairn checkpoint history NAME [--limit N]    what happened, newest first (50)

It does not matter who runs the VM: the window, \`cairn serve\`, \`cairn run\` in another terminal, or nobody.

  cairn checkpoint take debian --title "before the upgrade"
  cairn checkpoint list debian --json
  cairn checkpoint delete debian mf3k2a9x81c0d4e7 --children
`;

export const VM_HELP = `cairn vm: the VMs of the library

  cairn vm list
  cairn vm show NAME
  cairn vm stop NAME [--button]       pulls the plug; --button presses the power button instead, and the guest decides
  cairn vm pause NAME, cairn vm resume NAME, cairn vm reset NAME
  cairn vm balloon NAME SIZE          asks a guest with a balloon to make do with SIZE of its memory
  cairn vm media NAME [DISK] FILE [--format raw|qcow2] [--allow PATH] [--force]
                                      puts a disc into the CD-ROM drive, also while the VM runs, and for its next start; DISK (disk0, disk1 …) says which
                                      drive where there are several. A drive whose disc the guest uses is locked: --force changes it all the same
  cairn vm media NAME [DISK] --eject [--force]
                                      takes the disc out; cairn vm media NAME shows what is in the drives
  cairn vm delete NAME                with all its checkpoints; it must be off
  cairn vm rename NAME NEW            another name; it must be off. Linked clones that lie on it find it by themselves
  cairn vm clone NAME ID --as NEW [--full]
                                      another VM that starts from that checkpoint. Its disks lie on the first VM's, which keeps what they need; with
                                      --full they are copied, and it needs nothing of the first

  cairn vm list --json
  cairn vm media debian debian-12-2.iso
  cairn vm clone debian mf3k2a9x81c0d4e7 --as experiment
`;

export const DISK_HELP = `cairn disk: images of virtual disks. Reads raw, qcow2, vmdk, vdi, vpc (VHD) and vhdx; writes raw and qcow2

  cairn disk create FILE --size SIZE     a new disk, all zeroes
      --format qcow2|raw                 (qcow2)            --preallocate     with room for all of it
      --cluster SIZE                     512 to 2M (auto)   --lazy-refcounts  counts are written when it is closed
      --backing FILE --backing-format raw|qcow2             a COW disk: holds what differs from FILE
  cairn disk convert SOURCE TARGET       a copy, as a guest reads SOURCE; zeroes take no room
      --from FORMAT --to qcow2|raw       and --cluster, --preallocate, --lazy-refcounts
  cairn disk info FILE [--chain]         the file, or with it all that are below it
  cairn disk map FILE                    which file each byte comes from
  cairn disk check FILE [--repair]       compares the counts of clusters with their uses
  cairn disk repair FILE                 wrong counts and leaks put right; what would be guessing is left
  cairn disk resize FILE SIZE            larger only; +2G is by how much
  cairn disk compact FILE                writes it anew without what nothing needs, and puts that in its place
  cairn disk compare FILE OTHER          do they read the same? --format, --other-format

FORMAT is raw, qcow2, vmdk, vdi, vhd or vhdx. Without --format the file's name and its contents must agree: .qcow2, .vmdk, .vdi, .vhd, .vhdx, and .raw, .img, .iso,
.dd for raw disks. What is not whole, for its tables name what is past the end of the file, is not read; check says what is missing.
Backing files are followed in the image's own folder; --allow PATH, as often as you like, names another file or
folder: the same for every verb, and for --disk FILE,allow=PATH.
A file that a running VM has open is not touched. With --json progress is told on stderr, one JSON document a line.

  cairn disk create disk.qcow2 --size 10G
  cairn disk convert windows.vmdk windows.qcow2
  cairn disk check disk.qcow2 --json
`;

export const STORE_HELP = `cairn store: checkpoint volumes, for cairn run --checkpoint-store

A volume is one file that has all of its room from the beginning, or a block device (a disk, a partition, a loop device). The checkpoints of any
number of VMs lie in it. While one is written nothing else is: the host's file system has nothing to note.

  cairn store create PATH [--size SIZE] [--force]
                       a new file of SIZE, with room for all of it. What is there already, a file or a block device, is only overwritten with
                       --force, not while a VM has it open or this computer uses it, and only up to SIZE if that is given
  cairn store info PATH
                       how large it is, what is used and free, who uses it, and the checkpoints of each VM in it
  cairn store check PATH
                       reads every byte of every checkpoint in it, also while VMs run. Changes nothing. Ends with 0 when nothing is wrong, 5 when
                       something is damaged, 6 when there is only something for \`cairn repair\` to do

One user's processes may use a volume at a time; several of them, and several VMs, may. A volume that two computers share is not for that.

  cairn store create /srv/checkpoints.volume --size 20G
  cairn store create /dev/sdb1 --force
  cairn run --name debian --kernel vmlinuz --checkpoint-store /srv/checkpoints.volume
`;

export const POLICY_HELP = `cairn policy: checkpoints that are taken unasked, and how long those are kept

  cairn policy show NAME
  cairn policy set NAME [options]     at once, also while the VM runs; what is not named stays as it is

  --every TIME|off          a checkpoint each such time of powered-on time: 30s, 15m, 6h, 1d
  --keep TIERS|all          how the automatic ones are thinned out: ALL-OF:HOW-LONG, then EVERY:HOW-LONG, nearest first
  --on-battery on|off       when the computer goes on battery
  --battery-low PERCENT|off when its battery has no more than that
  --suspend on|off          before the computer sleeps (the Electron window only)
  --shutdown on|off         before the computer shuts down, or ends Cairn
  --before-reset on|off     before the guest resets the machine
  --power-off on|off        when the guest has powered the machine off
  --disk-low SIZE|off       with less room on the VM's disk, periodic checkpoints wait and automatic ones are thinned further

Ages are counted in powered-on time. Checkpoints that you took, named or keep (\`cairn checkpoint keep\`) are never thinned out.

  cairn policy set debian --every 15m --keep all:1h,1h:1d,1d:30d
  cairn policy set debian --on-battery on --battery-low 10 --disk-low 5G
`;

export const CHECK_HELP = `cairn check, cairn repair: a VM's files

  cairn check NAME [--passphrase-file FILE|-]
                       reads every byte of every checkpoint and every disk layer's tables, also while the VM runs. Changes nothing
  cairn repair NAME    makes the catalogue anew from the files and removes what was never finished; the VM must be off

Encrypted checkpoints are decrypted only with their passphrase; without it their checksums are compared.
What is damaged stays where it is: take it from a backup, or delete the checkpoint. \`check\` ends with 0 when nothing is wrong, 5 when something is
damaged, 6 when there is only something for \`repair\` to do.

  cairn check debian --json
`;

export const INSPECT_HELP = `cairn inspect: what a file holds, as JSON

  cairn inspect FILE [--passphrase-file FILE|-] [--format FORMAT]
                       a checkpoint (ID.ckpt) or what is left of one (ID.pages): every checksum in it is checked; catalog.db, state.json,
                       a disk's descriptor, a disk image of any format, a checkpoint volume, or the folder of a VM (NAME.cairn)

  cairn inspect ~/.local/share/cairn/debian.cairn/checkpoints/mf3k2a9x81c0d4e7.ckpt
  cairn inspect ~/.local/share/cairn/debian.cairn
`;

export const SERVE_HELP = `cairn serve: the window, in this machine's browser

  --port PORT   on 127.0.0.1 (default: a free one)

Prints an address with a key in it: whoever has it commands your VMs. Ctrl-C ends it and the VMs that it runs.

  cairn serve --open        show it in the browser at once
  cairn serve
  cairn serve --port 8080 --json
`;
