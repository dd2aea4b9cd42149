# The one list of packages, and the one command that runs all tests.
EXTRA_DIST += contrib/packages contrib/test

# The demo, the systemd unit with its user, and the samples.
EXTRA_DIST += contrib/demo contrib/portcullisd.service.in
# The shells' completion, where Debian's shells look for it.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = contrib/completion/portcullisctl.bash
zshcompletiondir = $(datadir)/zsh/vendor-completions
dist_zshcompletion_DATA = contrib/completion/_portcullisctl
examplesdir = $(docdir)/examples
dist_examples_DATA = contrib/portcullis.conf contrib/lun-paths.conf
grafanadir = $(docdir)/examples/grafana
dist_grafana_DATA = contrib/grafana/portcullis.json
systemdsystemunit_DATA = contrib/portcullisd.service
sysusers_DATA = contrib/sysusers.d/portcullis.conf
EXTRA_DIST += contrib/sysusers.d/portcullis.conf
CLEANFILES += contrib/portcullisd.service

# configure leaves ${prefix} in its directories; only make knows what it stands for.
contrib/portcullisd.service: $(top_srcdir)/contrib/portcullisd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) contrib && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' $< > $@.tmp && mv $@.tmp $@
