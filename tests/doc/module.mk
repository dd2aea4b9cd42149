# The manual, the samples and the README against what they speak of.
dist_check_SCRIPTS += tests/doc/test_documents.py tests/doc/test_sandbox.py
TESTS += tests/doc/test_documents.py tests/doc/test_sandbox.py
