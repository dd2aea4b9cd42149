# Test suites of others against a running daemon.
dist_check_SCRIPTS += tests/conformance/test_libiscsi.py
TESTS += tests/conformance/test_libiscsi.py
