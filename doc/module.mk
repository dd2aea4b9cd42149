# The manual, and what a newcomer reads first.
dist_man_MANS += doc/portcullisctl.1 doc/portcullis.conf.5 doc/portcullisd.8
dist_doc_DATA += README.md LICENSE
# Beside it as in the tree, so that its links lead somewhere when it is installed too.
readmedocdir = $(docdir)/doc
dist_readmedoc_DATA = doc/performance.md doc/performance-full.md doc/performance.svg doc/architecture.md doc/conformance.md \
	doc/design.svg
