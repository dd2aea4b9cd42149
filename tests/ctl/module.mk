# portcullisctl against a control endpoint of the tests' own, and against the real one.
EXTRA_DIST += tests/ctl/fake.py
dist_check_SCRIPTS += tests/ctl/test_ctl.py tests/ctl/test_ctl_daemon.py
TESTS += tests/ctl/test_ctl.py tests/ctl/test_ctl_daemon.py
