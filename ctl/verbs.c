/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs of portcullisctl, in one table: the parser, the help and the printing all read it.
 */
#include "ctl/ctl.h"

#define AWS(operation) "StorageGateway_20130630." operation
#define OWN(operation) "Portcullis_20261122." operation
#define WITH(option)   (1u << (option))
/* Of whatever makes a LUN. */
#define WITH_LUN                                                                                   \
	(WITH(OPTION_SIZE) | WITH(OPTION_BLOCK_SIZE) | WITH(OPTION_PHYSICAL_BLOCK_SIZE) |          \
		WITH(OPTION_READ_ONLY) | WITH(OPTION_CACHE) | WITH(OPTION_SERIAL) |                \
		WITH(OPTION_NAA))
#define COLUMNS(array) .columns = (array), .column_count = sizeof(array) / sizeof((array)[0])

#define IQN  "iqn.1997-05.com.amazon:myvolume"
#define HOST "iqn.1993-08.org.debian:01:host7"

/* Members of AWS's ChapInfo. */
static const struct print_column credential_columns[] = {
	{ "INITIATOR", "InitiatorName", PRINT_TEXT },
	{ "INITIATOR'S SECRET", "SecretToAuthenticateInitiator", PRINT_SECRET },
	{ "TARGET'S SECRET", "SecretToAuthenticateTarget", PRINT_SECRET },
};

/* Members of our own ListTargets; the ARN comes last, since it is long and nothing stands behind it. */
static const struct print_column target_columns[] = {
	{ "TARGET", "TargetName", PRINT_TEXT },
	{ "AUTHENTICATION", "Authentication", PRINT_TEXT },
	{ "CHAP", "ChapEnabled", PRINT_BOOLEAN },
	{ "STATE", "State", PRINT_TEXT },
	{ "CREDENTIALS", "CredentialCount", PRINT_COUNT },
	{ "SESSIONS", "SessionCount", PRINT_COUNT },
	{ "LUNS", "Luns", PRINT_LENGTH },
	{ "ARN", "TargetARN", PRINT_TEXT },
};

/* Members of our own ListSessions. */
static const struct print_column session_columns[] = {
	{ "TARGET", "TargetName", PRINT_TEXT },
	{ "SESSION", "TSIH", PRINT_COUNT },
	{ "INITIATOR", "InitiatorName", PRINT_TEXT },
	{ "ADDRESS", "Address", PRINT_TEXT },
	{ "TYPE", "SessionType", PRINT_TEXT },
	{ "CHAP", "ChapAlgorithm", PRINT_TEXT },
	{ "MUTUAL", "ChapMutual", PRINT_BOOLEAN },
	{ "OLD SECRET", "UsesOldSecret", PRINT_BOOLEAN },
	{ "AGE", "AgeSeconds", PRINT_AGE },
	{ "COMMANDS", "Commands", PRINT_COUNT },
	{ "READ", "BytesRead", PRINT_BYTES },
	{ "WRITTEN", "BytesWritten", PRINT_BYTES },
};

static const struct print_column session_lines[] = {
	{ "Target", "TargetName", PRINT_TEXT },
	{ "Session", "TSIH", PRINT_COUNT },
	{ "Initiator", "InitiatorName", PRINT_TEXT },
	{ "ISID", "ISID", PRINT_TEXT },
	{ "Address", "Address", PRINT_TEXT },
	{ "Portal", "PortalAddress", PRINT_TEXT },
	{ "Type", "SessionType", PRINT_TEXT },
	{ "Connections", "Connections", PRINT_COUNT },
	{ "CHAP", "ChapAlgorithm", PRINT_TEXT },
	{ "Mutual", "ChapMutual", PRINT_BOOLEAN },
	{ "Old secret", "UsesOldSecret", PRINT_BOOLEAN },
	{ "Age", "AgeSeconds", PRINT_AGE },
	{ "Commands", "Commands", PRINT_COUNT },
	{ "Read", "BytesRead", PRINT_BYTES },
	{ "Written", "BytesWritten", PRINT_BYTES },
	{ "Keys", "NegotiatedKeys", PRINT_MEMBERS },
};

/* Members of our own ListChapRotations. */
static const struct print_column rotation_columns[] = {
	{ "TARGET", "TargetName", PRINT_TEXT },
	{ "INITIATOR", "InitiatorName", PRINT_TEXT },
	{ "TIME LEFT", "SecondsLeft", PRINT_AGE },
	{ "OLD SESSIONS", "OldSessionCount", PRINT_COUNT },
};

/* Members of our own ListPortals. */
static const struct print_column portal_columns[] = {
	{ "PORTAL", "Portal", PRINT_TEXT },
	{ "GROUP", "Group", PRINT_COUNT },
	{ "LISTENING", "Listening", PRINT_BOOLEAN },
	{ "SOURCE", "Source", PRINT_TEXT },
	{ "SESSIONS", "SessionCount", PRINT_COUNT },
};

/* Members of our own DiffConfiguration. */
static const struct print_column difference_columns[] = {
	{ "KEY", "Key", PRINT_TEXT },
	{ "FILE", "File", PRINT_TEXT },
	{ "RUNNING", "Running", PRINT_TEXT },
};

/* Each group in the order in which the help shows it. Texts are wrapped for 80 columns. */
const struct ctl_verb ctl_verbs[] = {
	{
		.name = "list-targets",
		.operation = OWN("ListTargets"),
		.arguments = "",
		.group = GROUP_TARGETS,
		.summary = "list the targets",
		.text = "Shows each target with its authentication policy, whether CHAP is "
			"demanded now,\n"
			"its state, and how many credentials, sessions and LUNs it has. A target "
			"that is\n"
			"\"drained\" takes no login until resume; one that is \"broken\" is served "
			"to\n"
			"nobody, for its stored credentials are damaged or a LUN cannot be opened: "
			"the\n"
			"daemon's log says which.\n",
		.example = "list-targets",
		.list = "Targets",
		COLUMNS(target_columns),
		.empty = "No targets.",
	},
	{
		.name = "create-target",
		.operation = OWN("CreateTarget"),
		.arguments = "NAME PATH",
		.argument_min = 2,
		.argument_max = 2,
		.takes = { ARGUMENT_NAME, ARGUMENT_PATH },
		.options = WITH_LUN | WITH(OPTION_LUN) | WITH(OPTION_AUTHENTICATION),
		.group = GROUP_TARGETS,
		.progress = PROGRESS_TIME,
		.summary = "create a target with one LUN",
		.text = "A file that does not exist is made with --size. The new target survives "
			"a\n"
			"restart, but the configuration file wins for what it names.\n",
		.example = "create-target " IQN " /srv/disks/one.img --size 8G",
		.done = "created; initiators find it at once.",
	},
	{
		.name = "delete-target",
		.operation = OWN("DeleteTarget"),
		.arguments = "TARGET",
		.argument_min = 1,
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.options = WITH(OPTION_FORCE),
		.group = GROUP_TARGETS,
		.progress = PROGRESS_SESSIONS,
		.summary = "delete a target that was created live",
		.text = "Its files and credentials stay. One that the configuration file names is "
			"deleted\n"
			"there, and then config reload.\n",
		.example = "delete-target " IQN " --force",
		.done = "deleted; its files and credentials stay.",
	},
	{
		.name = "create-lun",
		.operation = OWN("CreateLun"),
		.arguments = "TARGET LUN PATH",
		.argument_min = 3,
		.argument_max = 3,
		.takes = { ARGUMENT_TARGET, ARGUMENT_LUN, ARGUMENT_PATH },
		.options = WITH_LUN,
		.group = GROUP_TARGETS,
		.progress = PROGRESS_TIME,
		.summary = "add a LUN to a target",
		.text = "A file that does not exist is made with --size. The new LUN survives a "
			"restart.\n"
			"\n"
			"Next: scan for it on the initiators (iscsiadm -m session --rescan).\n",
		.example = "create-lun " IQN " 1 /srv/disks/two.img --size 512M --block-size 4096",
		.done = "the LUN is there; initiators are told, and scan for it.",
	},
	{
		.name = "delete-lun",
		.operation = OWN("DeleteLun"),
		.arguments = "TARGET LUN",
		.argument_min = 2,
		.argument_max = 2,
		.takes = { ARGUMENT_TARGET, ARGUMENT_LUN },
		.options = WITH(OPTION_FORCE),
		.group = GROUP_TARGETS,
		.progress = PROGRESS_SESSIONS,
		.summary = "delete a LUN that was created live",
		.text = "Its file stays.\n",
		.example = "delete-lun " IQN " 1 --force",
		.done = "the LUN is deleted; its file stays.",
	},
	{
		.name = "resize-lun",
		.operation = OWN("ResizeLun"),
		.arguments = "TARGET LUN SIZE",
		.argument_min = 3,
		.argument_max = 3,
		.takes = { ARGUMENT_TARGET, ARGUMENT_LUN, ARGUMENT_SIZE },
		.group = GROUP_TARGETS,
		.progress = PROGRESS_TIME,
		.summary = "make a LUN larger while it is used",
		.text = "SIZE is the new one. A LUN never shrinks.\n"
			"\n"
			"Next: rescan on the initiators, then grow the file system.\n",
		.example = "resize-lun " IQN " 0 16G",
		.done = "the LUN is larger; initiators are told, and rescan it.",
	},
	{
		.name = "set-read-only",
		.operation = OWN("SetLunReadOnly"),
		.arguments = "TARGET LUN on|off",
		.argument_min = 3,
		.argument_max = 3,
		.takes = { ARGUMENT_TARGET, ARGUMENT_LUN, ARGUMENT_ON_OFF },
		.group = GROUP_TARGETS,
		.progress = PROGRESS_SESSIONS,
		.summary = "make a LUN read-only, or writable again",
		.text = "The target's sessions are closed; initiators log in again.\n",
		.example = "set-read-only " IQN " 0 on",
		.done = "the LUN is changed; the target's sessions are closed.",
	},
	{
		.name = "list-volumes",
		.operation = AWS("ListVolumes"),
		.arguments = "",
		.group = GROUP_TARGETS,
		.run = ctl_list_volumes_run,
		.summary = "list the LUNs of all targets as AWS's volumes",
		.text = "Each with its identifier, and the target, number and disk behind it.\n",
		.example = "list-volumes",
		.empty = "No volumes.",
	},
	{
		.name = "create-volume",
		.operation = AWS("CreateStorediSCSIVolume"),
		.arguments = "NAME DISK",
		.argument_min = 2,
		.argument_max = 2,
		.takes = { ARGUMENT_VOLUME_NAME, ARGUMENT_DISK },
		.options = WITH(OPTION_EMPTY),
		.group = GROUP_TARGETS,
		.progress = PROGRESS_TIME,
		.run = ctl_create_volume_run,
		.summary = "create a target of a disk that is there, as AWS's clients do",
		.text = "The disk becomes LUN 0 of a new target, as it is and as large as it is;\n"
			"nothing is erased. create-target makes one under a name of your own, and "
			"files\n"
			"that do not exist.\n",
		.example = "create-volume myvolume /srv/disks/one.img --empty",
		.done = "created; initiators find it at once.",
	},
	{
		.name = "delete-volume",
		.operation = AWS("DeleteVolume"),
		.arguments = "VOLUME",
		.argument_min = 1,
		.argument_max = 1,
		.takes = { ARGUMENT_VOLUME },
		.group = GROUP_TARGETS,
		.run = ctl_delete_volume_run,
		.summary = "delete a LUN that was created live, by its volume's identifier",
		.text = "With its last LUN the target goes too. The disk stays, and so do the "
			"target's\n"
			"credentials. Refused while initiators are logged in.\n",
		.example = "delete-volume vol-0123456789abcdef0",
		.done = "deleted; its disk stays.",
	},
	{
		.name = "drain",
		.operation = OWN("DrainTarget"),
		.arguments = "TARGET",
		.argument_min = 1,
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.group = GROUP_TARGETS,
		.progress = PROGRESS_SESSIONS,
		.summary = "have a target's sessions log out and let nobody log in until resume",
		.text = "Sessions that do not log out within 5 seconds are closed. The drain stays "
			"over\n"
			"restarts.\n",
		.example = "drain " IQN,
		.done = "drained; resume lets initiators in again.",
	},
	{
		.name = "resume",
		.operation = OWN("ResumeTarget"),
		.arguments = "TARGET",
		.argument_min = 1,
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.group = GROUP_TARGETS,
		.summary = "let initiators log in to a drained target again",
		.text = "",
		.example = "resume " IQN,
		.done = "takes logins.",
	},
	{
		.name = "update-chap",
		.operation = AWS("UpdateChapCredentials"),
		.arguments = "TARGET INITIATOR",
		.argument_min = 2,
		.argument_max = 2,
		.takes = { ARGUMENT_TARGET, ARGUMENT_INITIATOR },
		.options = WITH(OPTION_SECRET_FILE) | WITH(OPTION_TARGET_SECRET_FILE) |
			   WITH(OPTION_MUTUAL),
		.group = GROUP_CHAP,
		.progress = PROGRESS_SESSIONS,
		.summary = "set the CHAP secrets of an initiator and close the target's sessions",
		.text = "Replaces the pair's whole record: without a target's secret the pair "
			"becomes\n"
			"one-way. Secrets are 12 to 16 bytes of UTF-8, and the two must differ. "
			"They are\n"
			"asked for twice on the terminal unless they come from a file or from "
			"stdin.\n"
			"\n"
			"When the command returns, the record is on the disk and every session of "
			"the\n"
			"target is closed. Running initiators log in again with the secret they "
			"know,\n"
			"and are refused until theirs is changed too (portcullisctl(1), "
			"INITIATORS).\n",
		.example = "update-chap --mutual " IQN " " HOST,
		.done = "CHAP credentials are set; the target's sessions are closed.",
	},
	{
		.name = "describe-chap",
		.operation = AWS("DescribeChapCredentials"),
		.arguments = "TARGET",
		.argument_min = 1,
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.options = WITH(OPTION_SHOW_SECRETS),
		.group = GROUP_CHAP,
		.summary = "show which initiators have credentials on a target",
		.text = "Secrets are shown as \"set\" or \"none\" unless --show-secrets is given. "
			"With\n"
			"--json they are always in clear, as the daemon answers.\n",
		.example = "describe-chap " IQN,
		.list = "ChapCredentials",
		COLUMNS(credential_columns),
		.empty = "No initiator has credentials on this target.",
	},
	{
		.name = "delete-chap",
		.operation = AWS("DeleteChapCredentials"),
		.arguments = "TARGET INITIATOR",
		.argument_min = 2,
		.argument_max = 2,
		.takes = { ARGUMENT_TARGET, ARGUMENT_INITIATOR },
		.group = GROUP_CHAP,
		.progress = PROGRESS_SESSIONS,
		.summary = "remove an initiator's credentials and close the target's sessions",
		.text = "Removing the last credentials of a target with authentication \"auto\" "
			"opens it to\n"
			"initiators without CHAP; with \"chap\" nobody gets in.\n",
		.example = "delete-chap " IQN " " HOST,
		.done = "CHAP credentials are removed; the target's sessions are closed.",
	},
	{
		.name = "rotate-chap",
		.operation = OWN("RotateChapCredentials"),
		.arguments = "TARGET INITIATOR",
		.argument_min = 2,
		.argument_max = 2,
		.takes = { ARGUMENT_TARGET, ARGUMENT_INITIATOR },
		.options = WITH(OPTION_SECRET_FILE) | WITH(OPTION_TARGET_SECRET_FILE) |
			   WITH(OPTION_MUTUAL) | WITH(OPTION_GRACE),
		.group = GROUP_CHAP,
		.summary = "set new CHAP secrets of an initiator, keep the old ones for a while",
		.text = "The initiator must have credentials already. Both the old and the new "
			"record are\n"
			"good until finish-rotation, or until TIME is over; no session is closed. "
			"Secrets\n"
			"are given as to update-chap; the new ones must differ from the old. Given "
			"again\n"
			"with the same secrets it sets a new TIME.\n"
			"\n"
			"Next: change the secret on the initiator and let it log in anew, path by "
			"path;\n"
			"when list-sessions shows nobody with the old secret, finish-rotation.\n",
		.example = "rotate-chap --grace 12h " IQN " " HOST,
		.done = "new CHAP credentials are set, the old ones are good until the rotation "
			"ends.",
	},
	{
		.name = "finish-rotation",
		.operation = OWN("FinishChapRotation"),
		.arguments = "TARGET INITIATOR",
		.argument_min = 2,
		.argument_max = 2,
		.takes = { ARGUMENT_TARGET, ARGUMENT_INITIATOR },
		.group = GROUP_CHAP,
		.progress = PROGRESS_SESSIONS,
		.summary = "end a rotation and close the sessions that used the old secret",
		.text = "From now on only the new record is good. Sessions that logged in with the "
			"old\n"
			"one are closed, and no others. If no rotation is under way, nothing "
			"happens.\n",
		.example = "finish-rotation " IQN " " HOST,
		.done = "the old CHAP credentials are gone; the sessions that used them are "
			"closed.",
	},
	{
		.name = "list-rotations",
		.operation = OWN("ListChapRotations"),
		.arguments = "[TARGET]",
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.group = GROUP_CHAP,
		.summary = "list the rotations under way",
		.text = "Shows each initiator whose old credentials are still good, for how much "
			"longer,\n"
			"and how many sessions use them.\n",
		.example = "list-rotations",
		.list = "Rotations",
		COLUMNS(rotation_columns),
		.empty = "No rotations are under way.",
	},
	{
		.name = "list-sessions",
		.operation = OWN("ListSessions"),
		.arguments = "[TARGET]",
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.options = WITH(OPTION_LONG),
		.group = GROUP_SESSIONS,
		.summary = "list who is logged in",
		.text = "Shows each session with its initiator, the address it comes from, how it\n"
			"authenticated, whether with a secret that a rotation retires, its age and "
			"what\n"
			"it has done.\n",
		.example = "list-sessions " IQN,
		.long_columns = session_lines,
		.long_count = sizeof(session_lines) / sizeof(session_lines[0]),
		.list = "Sessions",
		COLUMNS(session_columns),
		.empty = "No sessions.",
	},
	{
		.name = "close-session",
		.operation = OWN("CloseSession"),
		.arguments = "[TARGET] SESSION|INITIATOR [ISID]",
		.argument_min = 1,
		.argument_max = 3,
		.takes = { ARGUMENT_TARGET, ARGUMENT_SESSION, ARGUMENT_ISID },
		.group = GROUP_SESSIONS,
		.progress = PROGRESS_TIME,
		.summary = "close a session, or those of an initiator on a target",
		.text = "A session's number is enough unless several targets have a session of "
			"that\n"
			"number. With an initiator all its sessions on the target are closed, or "
			"the "
			"one\n"
			"of that ISID. It may log in again at once; delete-chap or drain keep it "
			"out.\n",
		.example = "close-session " IQN " 3",
		.run = ctl_close_session_run,
	},
	{
		.name = "statistics",
		.operation = OWN("GetStatistics"),
		.arguments = "[TARGET]",
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.group = GROUP_SESSIONS,
		.summary = "show what targets and workers have done since the start",
		.text = "Shows each target's sessions and logins by outcome, each LUN's commands, "
			"bytes,\n"
			"mean times and errors by sense key, and each worker's load.\n",
		.example = "statistics",
		.run = ctl_statistics_run,
	},
	{
		.name = "watch",
		.operation = OWN("GetStatistics"),
		.arguments = "[TARGET]",
		.argument_max = 1,
		.takes = { ARGUMENT_TARGET },
		.options = WITH(OPTION_INTERVAL) | WITH(OPTION_COUNTED),
		.group = GROUP_SESSIONS,
		.summary = "show sessions and rates, again and again",
		.text = "On a terminal the view is refreshed in place; q ends it. Elsewhere each "
			"look is\n"
			"printed after the last, with --json as one object a line.\n",
		.example = "watch --interval 5",
		.run = ctl_watch_run,
	},
	{
		.name = "list-portals",
		.operation = OWN("ListPortals"),
		.arguments = "",
		.group = GROUP_PORTALS,
		.summary = "list where initiators connect",
		.text = "Shows each portal with its target portal group tag, whether it listens "
			"(one made\n"
			"live waits for a reload or add-portal if its address was not to be had at "
			"a\n"
			"start), whether the file names it, and how many sessions came by it.\n",
		.example = "list-portals",
		.list = "Portals",
		COLUMNS(portal_columns),
		.empty = "No portals.",
	},
	{
		.name = "add-portal",
		.operation = OWN("AddPortal"),
		.arguments = "ADDRESS:PORT [GROUP]",
		.argument_min = 1,
		.argument_max = 2,
		.takes = { ARGUMENT_PORTAL, ARGUMENT_PORTAL_GROUP },
		.group = GROUP_PORTALS,
		.summary = "listen on another address or port",
		.text = "Discovery tells it at once. It survives a restart.\n",
		.example = "add-portal 192.0.2.1:3260",
		.done = "listens; initiators discover it.",
	},
	{
		.name = "remove-portal",
		.operation = OWN("RemovePortal"),
		.arguments = "ADDRESS:PORT",
		.argument_min = 1,
		.argument_max = 1,
		.takes = { ARGUMENT_PORTAL },
		.options = WITH(OPTION_FORCE),
		.group = GROUP_PORTALS,
		.progress = PROGRESS_TIME,
		.summary = "listen no more on a portal that was added live",
		.text = "Who came by it stays, unless --force is given, now or once more later.\n"
			"A portal that the file names is taken out there, by a reload.\n",
		.example = "remove-portal 192.0.2.1:3260",
		.done = "is no portal any more.",
	},
	{
		.name = "config show",
		.operation = OWN("ShowConfiguration"),
		.arguments = "",
		.group = GROUP_CONFIGURATION,
		.summary = "print the running configuration",
		.text = "In the words of portcullis.conf(5), with all defaults and what was made "
			"live.\n",
		.example = "config show",
		.text_member = "Configuration",
	},
	{
		.name = "config diff",
		.operation = OWN("DiffConfiguration"),
		.arguments = "",
		.group = GROUP_CONFIGURATION,
		.summary = "show where the file and the running configuration differ",
		.text = "What was made live is absent in the file; what was edited in the file is "
			"not\n"
			"running before a reload.\n",
		.example = "config diff",
		.list = "Differences",
		COLUMNS(difference_columns),
		.empty = "The file and the running configuration are the same.",
	},
	{
		.name = "config check",
		.operation = OWN("CheckConfiguration"),
		.arguments = "[FILE]",
		.argument_max = 1,
		.takes = { ARGUMENT_FILE },
		.group = GROUP_CONFIGURATION,
		.summary = "check a file, or the daemon's own, without loading it",
		.text = "Also whether it goes together with what was made live. Whether LUNs can "
			"be\n"
			"opened shows at reload.\n",
		.example = "config check new.conf",
		.done = "good.",
	},
	{
		.name = "config reload",
		.operation = OWN("ReloadConfiguration"),
		.arguments = "",
		.group = GROUP_CONFIGURATION,
		.progress = PROGRESS_TIME,
		.summary = "load the daemon's configuration file anew",
		.text = "As SIGHUP; returns when it is done. On any error the running "
			"configuration\n"
			"stays, and the error is shown with its file and line.\n",
		.example = "config reload",
		.done = "reloaded; what config diff still shows takes a restart.",
	},
	{
		.name = "help",
		.arguments = "[VERB [WORD]]",
		.argument_max = 2,
		.takes = { ARGUMENT_VERB, ARGUMENT_VERB },
		.group = GROUP_HELP,
		.summary = "print the help, or a verb's",
		.text = "As portcullisctl VERB --help.\n",
		.example = "help config show",
		.run = ctl_help_run,
	},
};

const size_t ctl_verb_count = sizeof(ctl_verbs) / sizeof(ctl_verbs[0]);
