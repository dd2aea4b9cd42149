# The tests' tree has the shape of the sources' tree; each folder brings its own part.
include $(top_srcdir)/tests/tree/module.mk
include $(top_srcdir)/tests/base/module.mk
include $(top_srcdir)/tests/auth/module.mk
include $(top_srcdir)/tests/store/module.mk
include $(top_srcdir)/tests/conf/module.mk
include $(top_srcdir)/tests/proto/scsi/module.mk
include $(top_srcdir)/tests/proto/iscsi/module.mk
include $(top_srcdir)/tests/daemon/module.mk
include $(top_srcdir)/tests/promise/module.mk
include $(top_srcdir)/tests/ctl/module.mk
include $(top_srcdir)/tests/fuzz/module.mk
include $(top_srcdir)/tests/conformance/module.mk
include $(top_srcdir)/tests/interop/module.mk
include $(top_srcdir)/tests/crash/module.mk
include $(top_srcdir)/tests/doc/module.mk
include $(top_srcdir)/tests/bench/module.mk
