/* SPDX-License-Identifier: BSD-2-Clause */
/* Single configuration values at the edges of what is allowed, and sizes in every unit. */
#include "conf/config_value.h"

#include "tests/suite.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

typedef char *converter(const char *text);

#define X10  "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct {
	converter *convert;
	const char *text;
	const char *kept; /* NULL: refused */
} values[] = {
	{ value_partition, "a", "a" },
	{ value_partition, "us-gov-west-1", "us-gov-west-1" },
	{ value_partition, "12345678901234567890123456789012", "12345678901234567890123456789012" },
	{ value_partition, "123456789012345678901234567890123", NULL },
	{ value_partition, "", NULL },
	{ value_partition, "a:b", NULL },
	{ value_partition, "a/b", NULL },
	{ value_partition, "A", NULL },
	{ value_account, "000000000000", "000000000000" },
	{ value_account, "", NULL },
	{ value_account, "00000000000", NULL },
	{ value_account, "0000000000000", NULL },
	{ value_account, "0000-0000-00", NULL },
	{ value_gateway_id, "sgw-12345678", "sgw-12345678" },
	{ value_gateway_id, "sgw-abcdefghijklmnopqrstuvwxyz", "sgw-abcdefghijklmnopqrstuvwxyz" },
	{ value_gateway_id, "sgw-abcdefghijklmnopqrstuvwxyz0", NULL },
	{ value_gateway_id, "sgw-1234567", NULL },
	{ value_gateway_id, "sgw-1234/678", NULL },
	{ value_gateway_id, "SGW-12345678", NULL },
	{ value_gateway_id, "", NULL },
	{ value_address, "0.0.0.0", "0.0.0.0" },
	{ value_address, "255.255.255.255", "255.255.255.255" },
	{ value_address, "::", "::" },
	{ value_address, "0:0:0:0:0:0:0:0", "::" },
	{ value_address, "FE80:0::0:1", "fe80::1" },
	{ value_address, "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
	{ value_address, "1:2:3::5:6:7:8", "1:2:3:0:5:6:7:8" },
	{ value_address, "1.2.3", NULL },
	{ value_address, "01.2.3.4", NULL },
	{ value_address, "1.2.3.4.5", NULL },
	{ value_address, "1:2:3:4:5:6:7:8:9", NULL },
	{ value_address, "0x7f000001", NULL },
	{ value_address, "*", NULL },
	{ value_path, "/", "/" },
	{ value_path, "/a b/c", "/a b/c" },
	{ value_path, "", NULL },
	{ value_path, "a", NULL },
	{ value_path, "./a", NULL },
	{ value_path, " /a", NULL },
	{ value_optional_path, "", "" },
	{ value_optional_path, "/a", "/a" },
	{ value_optional_path, "a", NULL },
	{ value_store_path, "memory:", "memory:" },
	{ value_store_path, "/memory:", "/memory:" },
	{ value_store_path, "memory:1", NULL },
	{ value_store_path, "MEMORY:", NULL },
	{ value_store_path, "", NULL },
	{ value_socket_path, "", "" },
	{ value_socket_path, "/" X100 "123456", "/" X100 "123456" }, /* 107 and the NUL fill it */
	{ value_socket_path, "/" X100 "1234567", NULL },
	{ value_socket_path, "a", NULL },
	{ value_group_name, "", "" },
	{ value_group_name, "disk", "disk" },
	{ value_group_name, "a-b_c.d", "a-b_c.d" },
	{ value_group_name, "1000", "1000" },
	{ value_group_name, "-disk", NULL },
	{ value_group_name, "a:b", NULL },
	{ value_group_name, "123456789012345678901234567890123", NULL },
	{ value_serial, "", "" },
	{ value_serial, "A", "A" },
	{ value_serial, "a b~!", "a b~!" },
	{ value_serial, "123456789012345678901234567890123456",
		"123456789012345678901234567890123456" },
	{ value_serial, "1234567890123456789012345678901234567", NULL },
	{ value_serial, " a", NULL },
	{ value_serial, "a ", NULL },
	{ value_serial, " ", NULL },
	{ value_serial, "a\x7f", NULL },
	{ value_serial, "a\tb", NULL },
	{ value_endpoint, "", "" },
	{ value_endpoint, "[::]:0", "[::]:0" },
	{ value_endpoint, "1.2.3.4:5", "1.2.3.4:5" },
	{ value_endpoint, "1.2.3.4", NULL },
	{ value_endpoint, "a:1", NULL },
};

START_TEST(values_are_kept_or_refused)
{
	errno = 0;
	char *kept = values[_i].convert(values[_i].text);

	if (values[_i].kept) {
		ck_assert_ptr_nonnull(kept);
		ck_assert_str_eq(kept, values[_i].kept);
	} else {
		ck_assert_ptr_null(kept);
		ck_assert_int_eq(errno, EINVAL);
	}
	free(kept);
}
END_TEST

START_TEST(a_path_has_its_limit)
{
	char path[PATH_MAX + 1];

	memset(path, '/', sizeof(path));
	path[PATH_MAX - 1] = '\0';
	char *kept = value_path(path);
	ck_assert_ptr_nonnull(kept);
	free(kept);
	path[PATH_MAX - 1] = '/';
	path[PATH_MAX] = '\0';
	ck_assert_ptr_null(value_path(path));
	ck_assert_ptr_null(value_store_path(path));
	ck_assert_ptr_null(value_optional_path(path));
}
END_TEST

static const struct {
	const char *text;
	int result;
	uint64_t size;
} sizes[] = {
	{ "0", 0, 0 },
	{ "007", 0, 7 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -1, 0 },
	{ "99999999999999999999", -1, 0 },
	{ "1K", 0, UINT64_C(1) << 10 },
	{ "1M", 0, UINT64_C(1) << 20 },
	{ "1G", 0, UINT64_C(1) << 30 },
	{ "1T", 0, UINT64_C(1) << 40 },
	{ "1P", 0, UINT64_C(1) << 50 },
	{ "16383P", 0, UINT64_C(16383) << 50 },
	{ "16384P", -1, 0 },
	{ "18014398509481983K", 0, UINT64_C(18014398509481983) << 10 },
	{ "18014398509481984K", -1, 0 },
	{ "1E", -1, 0 },
	{ "1KB", -1, 0 },
	{ "1 K", -1, 0 },
	{ "K", -1, 0 },
	{ "", -1, 0 },
	{ "+1", -1, 0 },
	{ "-1", -1, 0 },
	{ "0x10", -1, 0 },
	{ "1,5", -1, 0 },
};

START_TEST(sizes_are_counted)
{
	uint64_t size = 42;

	ck_assert_int_eq(value_size(sizes[_i].text, &size), sizes[_i].result);
	ck_assert_uint_eq(size, sizes[_i].result == 0 ? sizes[_i].size : 42);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/config_value");
	TCase *tests = tcase_create("values");

	tcase_add_rows(tests, values_are_kept_or_refused, values);
	tcase_add_test(tests, a_path_has_its_limit);
	tcase_add_rows(tests, sizes_are_counted, sizes);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
