/* SPDX-License-Identifier: BSD-2-Clause */
/* portcullisd(8): options, and what must be set before anything else runs. */
#include "config.h"

#include "base/log.h"
#include "base/secret.h"
#include "conf/config.h"
#include "daemon/core/journal.h"
#include "daemon/server.h"

#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	const char *file;
	bool check, verbose, version, help;
};

static const char usage[] =
	"usage: portcullisd [-c FILE] [-t] [-v]\n"
	"       portcullisd --version | --help\n"
	"  -c FILE    configuration (default " SYSCONFDIR "/portcullis/portcullis.conf)\n"
	"  -t         check the configuration and the stored state, then exit 0 or 1\n"
	"  -v         log debugging events too; there are none yet\n"
	"  --version  print the version\n"
	"  --help     print this help\n";

static int options_read(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	*options = (struct options){ .file = SYSCONFDIR "/portcullis/portcullis.conf" };
	while ((letter = getopt_long(argc, argv, "c:tvh", names, NULL)) != -1) {
		switch (letter) {
		case 'c':
			options->file = optarg;
			break;
		case 't':
			options->check = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'V':
			options->version = true;
			break;
		case 'h':
			options->help = true;
			break;
		default:
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "portcullisd: unexpected argument \"%s\"\n", argv[optind]);
		return -1;
	}
	return 0;
}

/* OpenSSL's memory holds keys and what TLS carries: libevent's and jansson's is no better than it. */
static void *crypto_malloc(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return secret_malloc(size);
}

static void *crypto_realloc(void *memory, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return secret_realloc(memory, size);
}

static void crypto_free(void *memory, const char *file, int line)
{
	(void)file, (void)line;
	secret_free(memory);
}

/* Many connections need many descriptors; what we create is nobody else's business; secrets are not the C library's. */
static int process_prepare(void)
{
	struct rlimit files;

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the LUN, not our death */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	event_set_mem_functions(secret_malloc, secret_realloc, secret_free);
	json_set_alloc_funcs(secret_malloc, secret_free);
	return CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1 ? 0 : -1;
}

/* What is opened next would else be stderr to whoever logs: a pipe of ours, or a disk. */
static int descriptors_prepare(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -1 : close(fd);
}

static void start_failed(const char *why)
{
	log_error(LOG_WHAT("start-failed"), LOG_TEXT("why", why));
}

int main(int argc, char **argv)
{
	struct options options;
	char error[CONFIG_ERROR_SIZE];

	if (descriptors_prepare() < 0)
		return 1; /* there may be nobody to tell */
	if (options_read(argc, argv, &options) < 0) {
		fputs(usage, stderr);
		return 1;
	}
	if (options.help || options.version) {
		fputs(options.help ? usage : PACKAGE_STRING "\n", stdout);
		return 0;
	}
	log_configure(options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		journal_is_reader() ? journal_sink : NULL);
	if (process_prepare() < 0) {
		start_failed("OpenSSL does not take an allocator that wipes");
		return 1;
	}
	struct config *config = config_load(options.file, error);
	if (!config) {
		if (options.check)
			fprintf(stderr, "%s\n", error);
		else
			start_failed(error);
		return 1;
	}
	if (options.check) {
		int failed = server_check(config);
		config_free(config);
		return failed;
	}
	struct server *server = server_new_take(config, error);
	if (!server) {
		start_failed(error);
		return 1;
	}
	int failed = server_run(server);
	server_free(server);
	return failed;
}
