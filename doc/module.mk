# The manual, and what a newcomer reads first.
dist_man_MANS += doc/portcullisctl.1 doc/portcullis.conf.5 doc/portcullisd.8
dist_doc_DATA += README.md
EXTRA_DIST += doc/performance.md doc/performance-full.md doc/performance.svg doc/architecture.md doc/conformance.md doc/design.svg
