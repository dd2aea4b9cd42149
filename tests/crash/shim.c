/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fault injector for LD_PRELOAD: counts the system calls that change files below one directory
 * and, at a chosen one, fails it, kills the process, tears the write or holds the call up. Any
 * dynamically linked program can run under it; it is built for the tests and never installed.
 *
 *   SHIM_DIR      the directory, absolute and without symbolic links; nothing else is counted
 *   SHIM_PLAN     what to do, fixed for the life of the process
 *   SHIM_CONTROL  or a file, outside SHIM_DIR, whose first line is the plan; it is read again at
 *                 every counted call, and the count begins anew when the line differs from the last
 *                 one (put "#2" behind it to repeat a plan). Write it elsewhere and rename it there.
 *                 No file, or an empty line: no plan
 *   SHIM_LOG      a file, outside SHIM_DIR, to which "N CALL PATH" of every counted call is appended
 *
 * A plan is ACTION N [ARGUMENT [CALL]]; N counts from 1, and "N+" means this call and all later
 * ones. With a CALL ("fsync", "renameat", ...) only calls of that name are meant:
 *   kill 3        SIGKILL instead of the 3rd call
 *   tear 3        if it is a write, half of the bytes, then SIGKILL; else as kill
 *   fail 3 EIO    the 3rd call does nothing and fails (EIO, ENOSPC, EROFS, EACCES, EDQUOT)
 *   fail 3+ EROFS so do all from the 3rd on
 *   fail 1+ EIO fsync   so does every fsync()
 *   stall 3 10    the 3rd call begins 10 seconds later (decimals allowed)
 *
 * Counted are open() for writing or creating, write(), pwrite(), fsync(), fdatasync(), syncfs(),
 * ftruncate(), link(), rename(), unlink(), mkdir(), and their *at() forms. Under AddressSanitizer
 * set ASAN_OPTIONS=verify_asan_link_order=0.
 */
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PLAN_SIZE 128

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char current[PLAN_SIZE]; /* the plan that `count` belongs to */
static unsigned long count;

static const struct {
	const char *name;
	int number;
} errors[] = { { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EROFS", EROFS }, { "EACCES", EACCES },
	{ "EDQUOT", EDQUOT } };

/* The C library's own function of that name. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* Straight to the kernel, so that the shim's own files never come past the shim. */
static int raw_open(const char *path, int flags)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static void raw_write(int fd, const char *bytes, size_t length)
{
	if (syscall(SYS_write, fd, bytes, length) < 0)
		abort();
}

/* The path of a descriptor, or of `path` seen from it; not normalised. False if there is none. */
static bool resolve(int fd, const char *path, char whole[PATH_MAX])
{
	char link[64];
	ssize_t length = 0;

	if (path && path[0] == '/') {
		snprintf(whole, PATH_MAX, "%s", path);
		return true;
	}
	if (fd == AT_FDCWD) {
		snprintf(link, sizeof(link), "/proc/self/cwd");
	} else {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	}
	length = syscall(SYS_readlinkat, AT_FDCWD, link, whole, PATH_MAX - 1);
	if (length <= 0)
		return false;
	whole[length] = '\0';
	if (path)
		snprintf(whole + length, (size_t)(PATH_MAX - length), "/%s", path);
	return true;
}

static bool is_below(const char *path)
{
	const char *directory = getenv("SHIM_DIR");
	size_t length = directory ? strlen(directory) : 0;

	return length && strncmp(path, directory, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

static void read_plan(char plan[PLAN_SIZE])
{
	const char *control = getenv("SHIM_CONTROL");
	const char *fixed = getenv("SHIM_PLAN");

	snprintf(plan, PLAN_SIZE, "%s", fixed && !control ? fixed : "");
	int fd = control ? raw_open(control, O_RDONLY) : -1;
	if (fd < 0)
		return;
	ssize_t length = syscall(SYS_read, fd, plan, PLAN_SIZE - 1);
	syscall(SYS_close, fd);
	plan[length > 0 ? length : 0] = '\0';
	plan[strcspn(plan, "\n")] = '\0';
}

static void log_call(unsigned long number, const char *call, const char *path)
{
	const char *file = getenv("SHIM_LOG");
	int fd = file ? raw_open(file, O_WRONLY | O_CREAT | O_APPEND) : -1;
	char line[PATH_MAX + 64];

	if (fd < 0)
		return;
	int length = snprintf(line, sizeof(line), "%lu %s %s\n", number, call, path);
	raw_write(fd, line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
	syscall(SYS_close, fd);
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static int error_number(const char *name)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].number;
	fprintf(stderr, "shim: unknown error \"%s\"\n", name);
	abort();
}

static void stall(const char *seconds)
{
	double duration = strtod(seconds, NULL);
	struct timespec left = { (time_t)duration, 0 };

	left.tv_nsec = (long)((duration - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
}

enum fate { GO_ON, FAIL, TEAR };

/* Counts one call and says what becomes of it; for FAIL errno is set. */
static enum fate judge(const char *call, int fd, const char *path)
{
	char whole[PATH_MAX], plan[PLAN_SIZE], action[16] = "", argument[32] = "", only[32] = "";
	char later = ' ';
	int before = errno;
	unsigned long at = 0;

	if (!resolve(fd, path, whole) || !is_below(whole)) {
		errno = before;
		return GO_ON;
	}
	pthread_mutex_lock(&lock);
	read_plan(plan);
	if (strcmp(plan, current) != 0) {
		count = 0;
		memcpy(current, plan, sizeof(current));
	}
	unsigned long number = ++count;
	log_call(number, call, whole);
	pthread_mutex_unlock(&lock);
	errno = before;
	int fields = sscanf(plan, "%15s %lu%c %31s %31s", action, &at, &later, argument, only);
	if (fields < 2 || (number != at && !(later == '+' && number > at)))
		return GO_ON;
	if (only[0] && only[0] != '#' && strcmp(only, call) != 0)
		return GO_ON;
	if (strcmp(action, "stall") == 0) {
		stall(argument);
		return GO_ON;
	}
	if (strcmp(action, "fail") == 0) {
		errno = error_number(argument);
		return FAIL;
	}
	if (strcmp(action, "tear") == 0 && strstr(call, "write"))
		return TEAR;
	die();
	return FAIL;
}

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
}

#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;          \
		va_end(arguments);                                                                 \
	} while (0)

int open(const char *path, int flags, ...)
{
	mode_t mode;
	MODE_OF(flags, mode);
	if (writes(flags) && judge("open", AT_FDCWD, path) == FAIL)
		return -1;
	return NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	mode_t mode;
	MODE_OF(flags, mode);
	if (writes(flags) && judge("open", AT_FDCWD, path) == FAIL)
		return -1;
	return NEXT(open64)(path, flags, mode);
}

int openat(int fd, const char *path, int flags, ...)
{
	mode_t mode;
	MODE_OF(flags, mode);
	if (writes(flags) && judge("openat", fd, path) == FAIL)
		return -1;
	return NEXT(openat)(fd, path, flags, mode);
}

int openat64(int fd, const char *path, int flags, ...)
{
	mode_t mode;
	MODE_OF(flags, mode);
	if (writes(flags) && judge("openat", fd, path) == FAIL)
		return -1;
	return NEXT(openat64)(fd, path, flags, mode);
}

/* What open() without a mode becomes in a fortified program. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return open(path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
	return open64(path, flags, 0);
}

int __openat_2(int fd, const char *path, int flags);
int __openat_2(int fd, const char *path, int flags)
{
	return openat(fd, path, flags, 0);
}

int __openat64_2(int fd, const char *path, int flags);
int __openat64_2(int fd, const char *path, int flags)
{
	return openat64(fd, path, flags, 0);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
	enum fate fate = judge("write", fd, NULL);
	if (fate == FAIL)
		return -1;
	ssize_t result = NEXT(write)(fd, bytes, fate == TEAR ? length / 2 : length);
	if (fate == TEAR)
		die();
	return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	enum fate fate = judge("pwrite", fd, NULL);
	if (fate == FAIL)
		return -1;
	ssize_t result = NEXT(pwrite)(fd, bytes, fate == TEAR ? length / 2 : length, offset);
	if (fate == TEAR)
		die();
	return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
	return pwrite(fd, bytes, length, offset);
}

int fsync(int fd)
{
	return judge("fsync", fd, NULL) == FAIL ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
	return judge("fdatasync", fd, NULL) == FAIL ? -1 : NEXT(fdatasync)(fd);
}

int syncfs(int fd)
{
	return judge("syncfs", fd, NULL) == FAIL ? -1 : NEXT(syncfs)(fd);
}

int ftruncate(int fd, off_t length)
{
	return judge("ftruncate", fd, NULL) == FAIL ? -1 : NEXT(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
	return ftruncate(fd, length);
}

int link(const char *from, const char *to)
{
	return judge("link", AT_FDCWD, to) == FAIL ? -1 : NEXT(link)(from, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	if (judge("linkat", to_fd, to) == FAIL)
		return -1;
	return NEXT(linkat)(from_fd, from, to_fd, to, flags);
}

int rename(const char *from, const char *to)
{
	return judge("rename", AT_FDCWD, to) == FAIL ? -1 : NEXT(rename)(from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	if (judge("renameat", to_fd, to) == FAIL)
		return -1;
	return NEXT(renameat)(from_fd, from, to_fd, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	if (judge("renameat2", to_fd, to) == FAIL)
		return -1;
	return NEXT(renameat2)(from_fd, from, to_fd, to, flags);
}

int unlink(const char *path)
{
	return judge("unlink", AT_FDCWD, path) == FAIL ? -1 : NEXT(unlink)(path);
}

int unlinkat(int fd, const char *path, int flags)
{
	return judge("unlinkat", fd, path) == FAIL ? -1 : NEXT(unlinkat)(fd, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
	return judge("mkdir", AT_FDCWD, path) == FAIL ? -1 : NEXT(mkdir)(path, mode);
}

int mkdirat(int fd, const char *path, mode_t mode)
{
	return judge("mkdirat", fd, path) == FAIL ? -1 : NEXT(mkdirat)(fd, path, mode);
}
