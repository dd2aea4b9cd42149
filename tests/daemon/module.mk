# The control endpoint: its dispatch, its socket, and both in a running daemon.
EXTRA_DIST += tests/lib/portcullis.py tests/daemon/cases.json
dist_check_SCRIPTS += tests/daemon/test_cases.py
TESTS += tests/daemon/test_cases.py
