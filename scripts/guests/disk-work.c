/*
 * Work for disks that finds out by itself whether a disk has lost or mixed up anything; runs in the guest, static, i386.
 *
 *   disk-work journal DIR [COUNT]  appends records to DIR/journal, each synced before "committed N" is printed; goes on where the journal ends
 *   disk-work check DIR            "journal good: N records", or "journal broken: " and why
 *   disk-work churn FILE           reads and writes random blocks of FILE past the page cache, several at once; what each block has to hold is
 *                                  known in memory only, so that memory and disk of a restored machine must belong together
 *   disk-work rate FILE read|write DEPTH SECONDS
 *                                  "N a second": random aligned blocks of 4 KiB past the page cache, DEPTH processes at once
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_MAX 8192
#define STATE_BYTES 20000
#define STATE_EVERY 8 /* records */
#define LOOSE_FILES 32

static const char *broken_what = "journal";

static void broken(const char *format, ...)
{
	va_list values;
	va_start(values, format);
	printf("%s broken: ", broken_what);
	vprintf(format, values);
	printf("\n");
	fflush(stdout);
	exit(1);
}

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

/* Bytes that only `seed` and `number` make; the first word is the number. */
static void fill(uint32_t *words, size_t bytes, uint32_t seed, uint32_t number)
{
	uint32_t state = (seed * 2654435761u) ^ (number * 2246822519u) ^ 0x9e3779b9u;
	if (state == 0) state = 1;
	words[0] = number;
	for (size_t i = 1; i < bytes / 4; i++) words[i] = next_random(&state);
}

static size_t record_bytes(uint32_t number)
{
	uint32_t state = number * 2654435761u | 1;
	return 64 + next_random(&state) % (RECORD_MAX - 64) / 4 * 4;
}

static void must(int good, const char *what)
{
	if (good) return;
	perror(what);
	broken("%s failed", what);
}

static void write_all(int file, const void *data, size_t bytes)
{
	must(write(file, data, bytes) == (ssize_t)bytes, "write");
}

/* Reads the journal through. Answers the number of its last whole record, and where that ends; at most one record may be torn behind it. */
static uint32_t last_record(int file, off_t *end)
{
	static uint32_t found[RECORD_MAX / 4], want[RECORD_MAX / 4];
	struct stat stat;
	uint32_t number = 0;
	*end = 0;
	for (;;) {
		size_t bytes = record_bytes(number + 1);
		fill(want, bytes, 1, number + 1);
		if (pread(file, found, bytes, *end) != (ssize_t)bytes || memcmp(found, want, bytes) != 0) break;
		number++;
		*end += bytes;
	}
	must(fstat(file, &stat) == 0, "fstat");
	if (stat.st_size - *end > RECORD_MAX) broken("record %u is wrong and %ld bytes follow", number + 1, (long)(stat.st_size - *end));
	return number;
}

/* The state file is replaced by a rename after every eighth record: it is whole, and as old as the journal allows. */
static void check_state(uint32_t number)
{
	static uint32_t found[STATE_BYTES / 4], want[STATE_BYTES / 4];
	uint32_t newest = number / STATE_EVERY * STATE_EVERY;
	int file = open("state", O_RDONLY);
	if (file < 0) {
		if (newest > STATE_EVERY || (newest == STATE_EVERY && number > newest)) broken("no state file beside %u records", number);
		return;
	}
	if (read(file, found, STATE_BYTES) != STATE_BYTES) broken("the state file is short");
	close(file);
	if (found[0] != newest && !(number == newest && found[0] == newest - STATE_EVERY))
		broken("the state file is of record %u, the journal ends with %u", found[0], number);
	fill(want, STATE_BYTES, 2, found[0]);
	if (memcmp(found, want, STATE_BYTES) != 0) broken("the state file of record %u is damaged", found[0]);
}

static void replace_state(uint32_t number)
{
	static uint32_t data[STATE_BYTES / 4];
	int file = open("state.new", O_WRONLY | O_CREAT | O_TRUNC, 0644), folder = open(".", O_RDONLY);
	must(file >= 0 && folder >= 0, "open");
	fill(data, STATE_BYTES, 2, number);
	write_all(file, data, STATE_BYTES);
	must(fsync(file) == 0, "fsync");
	must(rename("state.new", "state") == 0, "rename");
	must(fsync(folder) == 0, "fsync");
	close(file);
	close(folder);
}

/* Files that nobody syncs come and go: work for the file system's own journal. */
static void loose_file(uint32_t number)
{
	static uint32_t data[RECORD_MAX / 4];
	char name[32];
	int file;
	snprintf(name, sizeof name, "loose-%u", number * 7 % LOOSE_FILES);
	unlink(name);
	if (number % 3 == 0) return;
	file = open(name, O_WRONLY | O_CREAT, 0644);
	must(file >= 0, "open");
	fill(data, RECORD_MAX, 3, number);
	write_all(file, data, record_bytes(number));
	close(file);
}

static int journal(uint32_t count)
{
	static uint32_t data[RECORD_MAX / 4];
	int file = open("journal", O_RDWR | O_CREAT, 0644);
	off_t end;
	uint32_t number, last;
	must(file >= 0, "open");
	number = last_record(file, &end);
	check_state(number);
	printf("journal holds %u\n", number);
	must(ftruncate(file, end) == 0 && lseek(file, end, SEEK_SET) == end, "ftruncate");
	/* The state file of the last record may be missing: written again, so that the rule for it holds from here on. */
	if (number > 0 && number % STATE_EVERY == 0) replace_state(number);
	for (last = number + count; count == 0 || number < last;) {
		size_t bytes = record_bytes(++number);
		fill(data, bytes, 1, number);
		write_all(file, data, bytes);
		must(fsync(file) == 0, "fsync");
		if (number % STATE_EVERY == 0) replace_state(number);
		printf("committed %u\n", number);
		fflush(stdout);
		loose_file(number);
	}
	return 0;
}

static int check(void)
{
	int file = open("journal", O_RDONLY);
	off_t end;
	uint32_t number = 0;
	if (file >= 0) number = last_record(file, &end);
	check_state(number);
	printf("journal good: %u records\n", number);
	return 0;
}

#define BLOCK 4096
#define WORKERS 6
#define REGION 512 /* blocks of each worker */
#define RUN_MAX 16 /* blocks of a request */

static void churn_worker(int file, uint32_t worker, volatile uint32_t *done)
{
	static uint32_t generations[REGION], want[BLOCK / 4];
	uint32_t *data = mmap(NULL, RUN_MAX * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t state = 77 + worker;
	must(data != MAP_FAILED, "mmap");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t first = 0;; first += RUN_MAX) {
		int filling = first < REGION;
		uint32_t count = filling ? RUN_MAX : 1 + next_random(&state) % RUN_MAX;
		uint32_t block = filling ? first : next_random(&state) % (REGION - count + 1);
		off_t offset = (off_t)(worker * REGION + block) * BLOCK;
		if (filling || next_random(&state) % 2) {
			for (uint32_t i = 0; i < count; i++)
				fill(data + i * BLOCK / 4, BLOCK, worker * REGION + block + i, ++generations[block + i]);
			must(pwrite(file, data, count * BLOCK, offset) == (ssize_t)(count * BLOCK), "pwrite");
		} else {
			must(pread(file, data, count * BLOCK, offset) == (ssize_t)(count * BLOCK), "pread");
			for (uint32_t i = 0; i < count; i++) {
				uint32_t *found = data + i * BLOCK / 4, generation = generations[block + i];
				fill(want, BLOCK, worker * REGION + block + i, generation);
				if (memcmp(found, want, BLOCK) != 0)
					broken("block %u has generation %u, not %u", worker * REGION + block + i, found[0], generation);
			}
		}
		done[worker]++;
	}
}

static int churn(const char *name)
{
	int file = open(name, O_RDWR | O_CREAT | O_DIRECT, 0644);
	volatile uint32_t *done = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	broken_what = "churn";
	must(file >= 0, "open");
	must(done != MAP_FAILED, "mmap");
	must(posix_fallocate(file, 0, (off_t)WORKERS * REGION * BLOCK) == 0, "fallocate");
	for (uint32_t worker = 0; worker < WORKERS; worker++)
		if (fork() == 0) churn_worker(file, worker, done);
	for (;;) {
		uint32_t sum = 0;
		usleep(300000);
		if (waitpid(-1, NULL, WNOHANG) != 0) return 1; /* it has said why */
		for (uint32_t worker = 0; worker < WORKERS; worker++) sum += done[worker];
		printf("churned %u\n", sum);
		fflush(stdout);
	}
}

/* Each process counts into a word of its own, until the parent kills them. */
static int rate(const char *name, int writes, uint32_t depth, uint32_t seconds)
{
	int file = open(name, (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
	volatile uint32_t *done = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	off_t blocks = lseek(file, 0, SEEK_END) / BLOCK;
	uint32_t sum = 0;
	broken_what = "rate";
	must(file >= 0, "open");
	must(done != MAP_FAILED && blocks > 0 && depth > 0 && depth <= BLOCK / 4 && seconds > 0, "rate");
	for (uint32_t worker = 0; worker < depth; worker++) {
		uint32_t state = 99 + worker;
		void *data;
		if (fork() != 0) continue;
		data = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(data != MAP_FAILED, "mmap");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memset(data, worker + 1, BLOCK);
		for (;; done[worker]++) {
			off_t offset = next_random(&state) % blocks * BLOCK;
			must((writes ? pwrite(file, data, BLOCK, offset) : pread(file, data, BLOCK, offset)) == BLOCK, "rate");
		}
	}
	sleep(seconds);
	for (uint32_t worker = 0; worker < depth; worker++) sum += done[worker];
	printf("%u a second\n", sum / seconds);
	return 0;
}

int main(int count, char **words)
{
	if (count == 3 && strcmp(words[1], "churn") == 0) return churn(words[2]);
	if (count == 6 && strcmp(words[1], "rate") == 0)
		return rate(words[2], strcmp(words[3], "write") == 0, strtoul(words[4], NULL, 10), strtoul(words[5], NULL, 10));
	if (count < 3 || chdir(words[2]) != 0) return 2;
	if (strcmp(words[1], "journal") == 0) return journal(count > 3 ? strtoul(words[3], NULL, 10) : 0);
	return strcmp(words[1], "check") == 0 ? check() : 2;
}
