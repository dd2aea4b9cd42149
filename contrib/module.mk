# The one list of packages, and the one command that runs all tests.
EXTRA_DIST += contrib/packages contrib/test
