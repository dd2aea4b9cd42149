# The tree's own rules. They look at text and at the plain build's objects, so once is enough.
TREE_TESTS = tests/tree/check_includes.py tests/tree/check_budget.py tests/tree/check_format.py \
	tests/tree/check_contracts.py tests/tree/check_checks.py
EXTRA_DIST += tests/tree/tree.py
dist_check_SCRIPTS += $(TREE_TESTS)
if !SANITIZERS
TESTS += $(TREE_TESTS)
endif
