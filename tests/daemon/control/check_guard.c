/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TCP way in of daemon/control/control.c with its guard: strangers who sign nothing, who take their time in
 * a TLS handshake or with a request, and files that are not what they should be. Right signatures are
 * the business of tests/daemon/test_endpoint.py and of the real clients.
 */
#include "daemon/control/guard.h"

#include "daemon/core/clock.h"
#include "tests/daemon/wire.h"
#include "tests/suite.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	char keys[96], certificate[96], key[96]; /* files */
} place;

static void write_keys(const char *text)
{
	FILE *out = fopen(place.keys, "w");
	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	fclose(out);
	ck_assert_int_eq(chmod(place.keys, 0600), 0);
}

/* A key and a certificate that it signed itself. */
static void write_certificate(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_set_pubkey(certificate, key);
	ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
	FILE *out = fopen(place.certificate, "w");
	ck_assert_int_eq(PEM_write_X509(out, certificate), 1);
	fclose(out);
	out = fopen(place.key, "w");
	ck_assert_int_eq(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(out);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void setup(void)
{
	wire_setup();
	snprintf(place.keys, sizeof place.keys, "%s/keys", wire.directory);
	snprintf(place.certificate, sizeof place.certificate, "%s/chain.pem", wire.directory);
	snprintf(place.key, sizeof place.key, "%s/key.pem", wire.directory);
	write_keys("AKID secret-of-the-key\n");
	wire.config.listen = "127.0.0.1:0";
	wire.config.access_keys = place.keys;
}

static void teardown(void)
{
	unlink(place.keys);
	unlink(place.certificate);
	unlink(place.key);
	wire_teardown();
}

static void want_tls(void)
{
	write_certificate();
	wire.config.tls_certificate = place.certificate;
	wire.config.tls_key = place.key;
}

/* A new client's socket at the TCP endpoint, non-blocking. */
static int dial(void)
{
	static const char line[] = "control endpoint 127.0.0.1:";
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *at = strstr(world_log(), line);
	ck_assert_msg(at, "%s", world_log());
	address.sin_port = htons((uint16_t)strtoul(at + strlen(line), NULL, 10));
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* --- requests without a right signature --- */

/* A stranger who keeps asking fills no log: what is left out is told with the next line. */
START_TEST(strangers_do_not_flood_the_log)
{
	static const char line[] = "what=audit ";
	unsigned lines = 0;
	wire_serve(NULL);
	const int fd = dial();
	for (int i = 0; i < 120; i++) {
		wire_put_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
		struct wire_reply reply = wire_get_reply(fd);
		ck_assert_uint_eq(reply.status, 403);
		wire_drop_reply(&reply);
	}
	for (const char *at = world_log(); (at = strstr(at, line)); at++)
		lines++;
	ck_assert_uint_ge(lines, 50);
	ck_assert_uint_lt(lines, 110); /* two windows at most */
	close(fd);
}
END_TEST

static const struct {
	const char *headers;
	unsigned status;
	const char *type, *claim;
} strangers[] = {
	{ "", 403, "MissingAuthenticationToken", NULL },
	{ "Authorization: Basic QTpi\r\n", 400, "IncompleteSignatureException", NULL },
	{ "Authorization: \r\n", 400, "IncompleteSignatureException", NULL },
	{ "Authorization: AWS4-HMAC-SHA256 Credential=A\"B/\r\n", 400,
		"IncompleteSignatureException", "\"A\\\"B\"" },
	{ "Authorization: AWS4-HMAC-SHA256 "
	  "Credential=AKID/20261122/r/storagegateway/aws4_request, SignedHeaders=host, "
	  "Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n",
		400, "IncompleteSignatureException", "AKID" },
	{ "X-Amz-Date: 20261122T105744Z\r\nAuthorization: AWS4-HMAC-SHA256 "
	  "Credential=NONE/20261122/r/storagegateway/aws4_request, "
	  "SignedHeaders=host;x-amz-date;x-amz-target, "
	  "Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n",
		400, "UnrecognizedClientException", "NONE" },
	{ "X-Amz-Date: 20010101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 "
	  "Credential=AKID/20010101/r/storagegateway/aws4_request, "
	  "SignedHeaders=host;x-amz-date;x-amz-target, "
	  "Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n",
		400, "InvalidSignatureException", "AKID" },
};

START_TEST(stranger_is_refused)
{
	char text[1024];
	wire_serve(NULL);
	const int fd = dial();
	for (int i = 0; i < 2; i++) { /* the connection stays good */
		snprintf(text, sizeof text,
			"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: " UPDATE
			"\r\n%sContent-Length: %zu\r\n\r\n%s",
			strangers[_i].headers, strlen(UPDATE_IT), UPDATE_IT);
		wire_put_text(fd, text);
		struct wire_reply reply = wire_get_reply(fd);
		ck_assert_uint_eq(reply.status, strangers[_i].status);
		ck_assert_str_eq(json_string_value(json_object_get(reply.json, "__type")),
			strangers[_i].type);
		wire_drop_reply(&reply);
	}
	ck_assert_uint_eq(credential_set_count(world_target(IQN)->credentials), 0);
	ck_assert_ptr_nonnull(
		strstr(world_log(), "what=audit operation=" UPDATE " peer=127.0.0.1:"));
	ck_assert_ptr_null(strstr(world_log(), " access_key="));
	snprintf(text, sizeof text, " claimed_key=%s result=", strangers[_i].claim);
	ck_assert_ptr_nonnull(strstr(world_log(), strangers[_i].claim ? text : " result="));
	ck_assert(strangers[_i].claim || !strstr(world_log(), "claimed_key="));
	snprintf(text, sizeof text, " result=%s status=%u request=", strangers[_i].type,
		strangers[_i].status);
	ck_assert_ptr_nonnull(strstr(world_log(), text));
	ck_assert_ptr_null(strstr(world_log(), SECRET));
	ck_assert_ptr_null(strstr(world_log(), "secret-of-the-key"));
	close(fd);
	wire_ck_served(); /* on the Unix socket nobody signs */
}
END_TEST

/* --- strangers who take their time --- */

static const struct {
	bool tls;
	const char *head, *drip;
	size_t length; /* of the head */
} slow[] = {
	{ false, "", "P", 0 },
	{ false, "POST / HTTP/1.1\r\n", "a: b\r\n", 17 },
	/* A handshake record of 16 KiB that begins with a client hello. */
	{ true, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", "x", 11 },
	{ true, "", "\x16", 0 },
};

START_TEST(slow_client_is_closed)
{
	if (slow[_i].tls)
		want_tls();
	wire_serve(&(struct control_limits){ 16, 60000, 200 });
	const int fd = dial();
	const uint64_t until = clock_now() + GIVE_UP_MS;
	wire_put(fd, slow[_i].head, slow[_i].length);
	while (wire_put_text(fd, slow[_i].drip)) {
		ck_assert_msg(clock_now() < until, "it goes on for ever");
		for (int i = 0; i < 20; i++)
			wire_turn();
	}
	close(fd);
	wire_ck_served();
}
END_TEST

START_TEST(silent_client_is_closed)
{
	if (_i)
		want_tls();
	wire_serve(&(struct control_limits){ 16, 60000, 200 });
	const int fd = dial();
	ck_assert(wire_is_closed(fd));
	close(fd);
	wire_ck_served();
}
END_TEST

/* The oldest stranger makes room for the next, and none of them for a client of the Unix socket. */
START_TEST(strangers_have_places_of_their_own)
{
	enum { MOST = 4 };
	int fds[3 * MOST];
	want_tls();
	wire_serve(&(struct control_limits){ MOST, 60000, 60000 });
	const int local = wire_dial();
	wire_turn();
	for (size_t i = 0; i < 3 * MOST; i++) {
		fds[i] = dial();
		wire_turn();
	}
	for (size_t i = 0; i < 2 * MOST; i++)
		ck_assert(wire_is_closed(fds[i]));
	wire_put_text(local, wire_request(DESCRIBE, DESCRIBE_IT));
	ck_assert_uint_eq(wire_get_status(local), 200);
	for (size_t i = 0; i < 3 * MOST; i++)
		close(fds[i]);
	close(local);
}
END_TEST

START_TEST(plain_request_to_tls)
{
	char head[8] = "";
	want_tls();
	wire_serve(NULL);
	const int fd = dial();
	wire_put_text(fd, wire_request(DESCRIBE, DESCRIBE_IT));
	while (wire_get(fd, head, 1) == 1) /* an alert, perhaps */
		ck_assert_int_ne(head[0], 'H');
	close(fd);
	wire_ck_served();
}
END_TEST

START_TEST(endpoint_goes_with_strangers_in_it)
{
	want_tls();
	wire_serve(NULL);
	const int before = dial(), after = dial();
	wire_put(before, "\x16\x03\x01", 3);
	wire_turn();
	const int unseen = dial();
	control_free(wire.control);
	wire.control = NULL;
	close(before);
	close(after);
	close(unseen);
}
END_TEST

/* --- files --- */

static const struct {
	const char *keys; /* NULL: no file */
	bool certificate, key;
	const char *error; /* NULL: good */
} files[] = {
	{ "AKID secret\n", true, true, NULL },
	{ NULL, true, true, "keys: cannot be read: No such file or directory" },
	{ "AKID\n", true, true, "keys:1: expected ACCESS_KEY_ID" },
	{ "AKID secret\n", false, true, "chain.pem: No such file or directory" },
	{ "AKID secret\n", true, false, "key.pem: No such file or directory" },
};

START_TEST(files_are_checked)
{
	char error[CONFIG_ERROR_SIZE] = "";
	want_tls();
	if (files[_i].keys)
		write_keys(files[_i].keys);
	else
		unlink(place.keys);
	if (!files[_i].certificate)
		unlink(place.certificate);
	if (!files[_i].key)
		unlink(place.key);
	ck_assert_int_eq(control_check(&wire.config, error), files[_i].error ? -1 : 0);
	ck_assert_msg(!files[_i].error || strstr(error, files[_i].error), "%s", error);
	wire.control = wire_open(NULL, error);
	ck_assert_int_eq(wire.control != NULL, !files[_i].error);
	ck_assert_msg(!files[_i].error || strstr(error, files[_i].error), "%s", error);
	wire.config.listen = ""; /* then nobody asks for the files */
	ck_assert_int_eq(control_check(&wire.config, error), 0);
}
END_TEST

/* A certificate and the key of another; a key with a passphrase, which nobody is asked for. */
START_TEST(key_that_does_not_fit)
{
	char error[CONFIG_ERROR_SIZE] = "";
	char other[sizeof place.certificate + 4];
	want_tls();
	snprintf(other, sizeof other, "%s.old", place.certificate);
	ck_assert_int_eq(rename(place.certificate, other), 0);
	write_certificate();
	ck_assert_int_eq(rename(other, place.certificate), 0);
	ck_assert_int_eq(control_check(&wire.config, error), -1);
	ck_assert_msg(strstr(error, "key.pem: key values mismatch"), "%s", error);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *out = fopen(place.key, "w");
	ck_assert_int_eq(PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(),
				 (unsigned char *)"passphrase", 10, NULL, NULL),
		1);
	fclose(out);
	EVP_PKEY_free(key);
	ck_assert_int_eq(control_check(&wire.config, error), -1);
	ck_assert_msg(strstr(error, "key.pem: "), "%s", error);
}
END_TEST

START_TEST(reload_keeps_what_it_cannot_replace)
{
	want_tls();
	wire_serve(NULL);
	write_keys("AKID\n");
	unlink(place.key);
	control_reload(wire.control);
	ck_assert_ptr_nonnull(strstr(world_log(), "keys:1: expected ACCESS_KEY_ID"));
	ck_assert_ptr_nonnull(strstr(world_log(), "what=access-keys-kept why="));
	ck_assert_ptr_nonnull(strstr(world_log(), "what=certificate-kept why="));
	write_keys("AKID one\nAKIE two\n");
	want_tls();
	control_reload(wire.control);
	ck_assert_ptr_nonnull(strstr(world_log(), "/keys keys=2\n"));
	control_reload(NULL);
	const int fd = dial();
	wire_turn();
	close(fd);
	wire_ck_served();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control guard");
	TCase *tcase = tcase_create("tcp");
	tcase_set_timeout(tcase, 2 * GIVE_UP_MS / 1000);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_rows(tcase, stranger_is_refused, strangers);
	tcase_add_test(tcase, strangers_do_not_flood_the_log);
	tcase_add_rows(tcase, slow_client_is_closed, slow);
	tcase_add_loop_test(tcase, silent_client_is_closed, 0, 2);
	tcase_add_test(tcase, strangers_have_places_of_their_own);
	tcase_add_test(tcase, plain_request_to_tls);
	tcase_add_test(tcase, endpoint_goes_with_strangers_in_it);
	tcase_add_rows(tcase, files_are_checked, files);
	tcase_add_test(tcase, key_that_does_not_fit);
	tcase_add_test(tcase, reload_keeps_what_it_cannot_replace);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
