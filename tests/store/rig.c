/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scratch directory, the media and the synchronous requests of the tests of stores.
 */
#include "tests/store/rig.h"
#include "base/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/loop.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

static bool has_tmpfs(const char *directory)
{
	struct statfs fs;
	return statfs(directory, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

bool rig_has_tiny(void)
{
	return has_tmpfs("tiny");
}

void rig_prepare(void)
{
	char directory[] = "store-XXXXXX";
	struct rlimit none = { 0, 0 };

	/* Aborts are what some tests ask for; and a file size limit must be an error code. */
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGXFSZ, SIG_IGN);
	if (!mkdtemp(directory) || chdir(directory) || mkdir("tiny", 0700) ||
		mkdir("large", 0700)) {
		perror("scratch directory");
		exit(EXIT_FAILURE);
	}
	/* A mount namespace of our own: the mounts end with us, however we end. */
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("none", "tiny", "tmpfs", 0, "size=2m") ||
		mount("none", "large", "tmpfs", 0, "size=64m"))
		printf("# no tmpfs can be mounted: its rows are left out\n");
	if (!rig_has_uring())
		printf("# io_uring is forbidden: its rows run over threads too\n");
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *where)
{
	(void)stat;
	(void)type;
	return where->level ? remove(path) : 0;
}

int rig_main(Suite *suite)
{
	int status = suite_main(suite);
	char *directory = get_current_dir_name();

	umount("tiny");
	umount("large");
	nftw(".", remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	if (directory && (chdir("..") || rmdir(directory)))
		perror(directory);
	free(directory);
	return status;
}

bool rig_has_uring(void)
{
	struct store_queue *queue = store_queue_new(STORE_QUEUE_URING, 1);
	bool has = queue != NULL;

	store_queue_free(queue);
	return has;
}

enum store_queue_kind rig_queue_kind(int row)
{
	return row % RIG_QUEUES || !rig_has_uring() ? STORE_QUEUE_THREADS : STORE_QUEUE_URING;
}

int rig_loop(const char *backing, char path[64])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file = open(backing, O_RDWR | O_CLOEXEC);
	int loop = -1;

	/* Somebody else may take the free one first: a few tries. */
	for (int i = 0; control >= 0 && file >= 0 && loop < 0 && i < 20; i++) {
		struct loop_config config = { .fd = (unsigned)file };
		config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			break;
		snprintf(path, 64, "/dev/loop%d", number);
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config)) {
			close(loop);
			loop = -1;
		}
	}
	if (control >= 0)
		close(control);
	if (file >= 0)
		close(file);
	return loop;
}

bool rig_has_loops(void)
{
	char path[64];
	int file = open("probe", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int loop = file >= 0 && ftruncate(file, 1 << 20) == 0 ? rig_loop("probe", path) : -1;

	if (loop < 0)
		printf("# left out: no loop devices\n");
	else
		close(loop);
	if (file >= 0)
		close(file);
	return loop >= 0;
}

bool rig_loop_block_size(const struct rig *rig, unsigned size)
{
	return ioctl(rig->loop_fd, LOOP_SET_BLOCK_SIZE, (unsigned long)size) == 0;
}

void rig_enter(void)
{
	char directory[] = "test-XXXXXX";
	ck_assert(mkdtemp(directory) && chdir(directory) == 0);
}

static const struct {
	const char *name;
	const char *path; /* of the file */
	bool direct;
	bool loop;
} media[RIG_MEDIA] = {
	[RIG_MEMORY] = { "memory", "memory:", false, false },
	[RIG_FILE] = { "file", "file.img", false, false },
	[RIG_DIRECT] = { "direct file", "direct.img", true, false },
	[RIG_TMPFS] = { "tmpfs", "large/file.img", false, false },
	[RIG_LOOP] = { "loop device", "loop.img", false, true },
	[RIG_LOOP_DIRECT] = { "direct loop device", "loop-direct.img", true, true },
};

/* Returns NULL or why not. */
static const char *try_open(struct rig *rig, int row, char *error)
{
	int medium = row / RIG_QUEUES;

	memset(rig, 0, sizeof *rig);
	rig->loop_fd = -1;
	/* Tests run one by one, each in a process of its own. */
	snprintf(rig->path, sizeof rig->path, "%s", media[medium].path);
	if (medium != RIG_MEMORY)
		unlink(rig->path);
	if (medium == RIG_TMPFS && !has_tmpfs("large"))
		return "no tmpfs";
	if (media[medium].loop) {
		int file = open(rig->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (file < 0 || ftruncate(file, RIG_SIZE))
			return strerror(errno);
		close(file);
		rig->loop_fd = rig_loop(rig->path, rig->path);
		if (rig->loop_fd < 0)
			return "no loop devices";
	}
	rig->config = (struct store_config){
		.path = rig->path,
		.size = RIG_SIZE,
		.block_size = 512,
		.direct = media[medium].direct,
	};
	rig->store = store_open(&rig->config, error);
	if (!rig->store)
		return error;
	rig->queue = store_queue_new(rig_queue_kind(row), 64);
	if (!rig->queue)
		return strerror(errno);
	return NULL;
}

void rig_add_rows(TCase *tcase, const TTest *test)
{
	for (int row = 0; row < RIG_ROWS; row++) {
		char error[STORE_ERROR_SIZE];
		struct rig rig;
		const char *reason = try_open(&rig, row, error);
		if (reason)
			printf("# left out: %s over %s: %s\n", media[row / RIG_QUEUES].name,
				row % RIG_QUEUES ? "threads" : "io_uring", reason);
		else
			tcase_add_loop_test(tcase, test, row, row + 1);
		rig_close(&rig);
	}
}

void rig_open(struct rig *rig, int row)
{
	char error[STORE_ERROR_SIZE];
	const char *reason = try_open(rig, row, error);
	if (reason)
		ck_abort_msg("row %d: %s", row, reason);
}

void rig_close(struct rig *rig)
{
	store_close(rig->store);
	store_queue_free(rig->queue);
	if (rig->loop_fd >= 0)
		close(rig->loop_fd);
	memset(rig, 0, sizeof *rig);
	rig->loop_fd = -1;
}

uint8_t *rig_buffer(size_t length, unsigned seed)
{
	void *buffer = NULL;
	ck_assert_int_eq(posix_memalign(&buffer, BUFFER_ALIGNMENT, length), 0);
	uint8_t *bytes = buffer;
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(seed * 31 + i + (i >> 9) * 7);
	return bytes;
}

struct waiting {
	struct store_request request; /* first: done() is given its address */
	unsigned done;
};

static void set_done(struct store_request *request)
{
	((struct waiting *)request)->done++;
}

void rig_wait(struct store_queue *queue, const unsigned *count, unsigned wanted)
{
	struct pollfd ready = { .fd = store_queue_fd(queue), .events = POLLIN };
	int silence = 0;

	while (*count < wanted) {
		store_queue_flush(queue);
		int got = poll(&ready, 1, 1000);
		ck_assert(got >= 0 || errno == EINTR);
		silence = got == 0 ? silence + 1 : 0;
		ck_assert_msg(silence < 20, "the queue is silent at %u of %u", *count, wanted);
		if (got > 0)
			store_queue_reap(queue, 1000);
	}
	ck_assert_uint_eq(*count, wanted);
}

enum store_error rig_do(struct rig *rig, enum store_op op, unsigned flags, uint64_t offset,
	uint64_t length, void *buffer)
{
	struct waiting waiting = {
		.request = { .op = op,
			.flags = flags,
			.offset = offset,
			.length = length,
			.buffer = buffer,
			.done = set_done,
			.error = 1 },
	};
	if (store_submit(rig->store, rig->queue, &waiting.request) == STORE_PENDING)
		rig_wait(rig->queue, &waiting.done, 1);
	else
		ck_assert_uint_eq(waiting.done, 0);
	return waiting.request.error;
}

size_t rig_zeros(const uint8_t *bytes, size_t length)
{
	size_t i = 0;
	while (i < length && bytes[i] == 0)
		i++;
	return i;
}

void rig_check_zeros(struct rig *rig, uint64_t offset, uint64_t length)
{
	uint8_t *buffer = rig_buffer((size_t)length, 1);
	ck_assert_int_eq(rig_do(rig, STORE_READ, 0, offset, length, buffer), STORE_OK);
	ck_assert_uint_eq(rig_zeros(buffer, (size_t)length), length);
	free(buffer);
}
