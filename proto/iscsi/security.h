/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The security stage's steps: AuthMethod and CHAP (RFC 7143 sections 9.2, 12.1). Each is called in
 * the state that its name belongs to (login.c's table), writes its answer into login->answer and
 * returns the next state.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_SECURITY_H
#define PORTCULLIS_PROTO_ISCSI_SECURITY_H

#include "proto/iscsi/login.h"

/* The initiator proposes no method. Only if it also wants to go on (T) this is judged. */
enum login_state security_unasked(struct iscsi_conn *conn, const struct key_batch *batch);
/* AuthMethod came. */
enum login_state security_choose(struct iscsi_conn *conn, const struct key_batch *batch);
/* CHAP_A came: our challenge. */
enum login_state security_challenge(struct iscsi_conn *conn, const struct key_batch *batch);
/* CHAP_N, CHAP_R and perhaps CHAP_I and CHAP_C came. */
enum login_state security_judge(struct iscsi_conn *conn, const struct key_batch *batch);
/* The security stage is skipped: LOGIN_SECURED if the target's terms allow that. */
enum login_state security_skip(struct iscsi_conn *conn);

#endif
