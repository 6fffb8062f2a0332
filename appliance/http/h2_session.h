/** \file
 * What both HTTP/2 codecs have in common: an nghttp2 session over a conn, its streams, and who waits for
 * what.
 *
 * Receiving: the octets of one read go to nghttp2 at once; its callbacks turn into the role's calls. A
 * stream's window opens again only for octets that the other side has taken (h2_stream_taken); the
 * connection's opens as they come, as long as less than HELD_MAX of them is held back, so that a slow stream
 * stops nobody else.
 *
 * Sending: frames are collected in a buffer that exists only while it is in use, and go to the conn when it
 * is full, at the end of the session's own turn, or once what called us has returned. Data that a window or
 * the conn does not take is copied to the stream's queue, and the stream says "pause".
 *
 * Streams are freed only when no call of the session is on the stack, so that callbacks may end any of them.
 */
#ifndef EGRESS_APPLIANCE_HTTP_H2_SESSION_H
#define EGRESS_APPLIANCE_HTTP_H2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "appliance/engine.h"
#include "appliance/flow/conn.h"
#include "appliance/http/codec.h"
#include "appliance/http/h2_fields.h"
#include "appliance/http/h2_flood.h"

#define H2_STREAMS_MAX 128
#define H2_WINDOW KIB(64) /* of a stream, at first: what a slow one may cost us */
#define H2_WINDOW_MAX MIB(2) /* of one whose octets are taken as fast as they come */
#define H2_CONN_WINDOW MIB(4)

struct h2_session;

struct h2_stream {
    struct http_stream base; /* first: ops get it back */
    struct h2_session *s;
    struct h2_stream *next, **prev;
    struct h2_stream *next_touched;
    int32_t id; /* 0: not sent yet */

    /* outgoing data: what nghttp2 has not asked for yet */
    const uint8_t *given; /* of the present op_data() call */
    size_t given_len;
    uint8_t *queue;
    size_t queue_off, queue_len, queue_cap;
    struct field *trailers; /* copies, with their strings behind them */
    size_t n_trailers;
    bool out_head, out_fin, out_done; /* the head is submitted; no more data comes; all is sent */
    bool waiting; /* told to pause */

    /* incoming */
    struct arena arena; /* of the head; front: the exchange's */
    struct h2_block block;
    int64_t in_left; /* of content-length; -1: not known */
    size_t held; /* octets that the other side has not taken */
    size_t window, since_growth;
    bool in_head, in_fin; /* the (final) head has come; all has */
    bool paused, touched;
    uint64_t discarded,
        discard_until; /* front: of a request that was answered early; its end in ms, 0: none */

    struct engine_timer timer; /* front: for the request's body */
    struct engine_timer stall; /* front: for a peer that takes nothing of what is queued */
    uint32_t close_code;
    bool closed; /* nghttp2 has forgotten it */
    bool reset_sent, reset_got;
    bool head_method; /* the request's is HEAD */
    bool upgrade, tunnel; /* a WebSocket is asked for; is open */
    uint8_t interim;
};

/** What front and back do with what comes. None is called for a session that is gone. */
struct h2_role {
    bool server;
    /** A header block begins on a stream that is not known: a new one, or NULL to refuse it. */
    struct h2_stream *(*begin)(struct h2_session *s, int32_t id);
    void (*headers)(struct h2_stream *st, bool fin);
    /** Server: the answer has been sent, nobody is left to take the rest of the request, and it goes on; `n`
     * octets of it have come. May be NULL. */
    void (*unread)(struct h2_stream *st, size_t n);
    void (*data)(struct h2_stream *st, const uint8_t *p, size_t n, bool fin);
    void (*flush)(struct h2_stream *st); /* the turn in which something came is over */
    /** nghttp2 has forgotten the stream, while its exchange lives. */
    void (*closed)(struct h2_stream *st);
    /** What is queued has not moved for so long that it is given up. NULL: that is for the exchange to say.
     */
    void (*stalled)(struct h2_stream *st);
    void (*goaway)(struct h2_session *s);
    /** Octets have come, and have been dealt with. */
    void (*turn)(struct h2_session *s);
    /** The connection is over; `why` 0: an orderly end. */
    void (*over)(struct h2_session *s, int why);
    /** The peer broke the rules or a limit, and has been told by GOAWAY. */
    void (*broken)(struct h2_session *s, enum reason why, const char *detail);
    /** A stream is gone. */
    void (*freed)(struct h2_session *s);
    /** May free the session: it is gone, and nobody is on the stack. */
    void (*release)(struct h2_session *s);
};

struct h2_session {
    const struct h2_role *role;
    struct engine *e;
    struct conn *c;
    nghttp2_session *ng;
    struct h2_stream *streams, *touched;
    size_t n_streams; /* also those that only wait to be freed */
    struct h2_flood flood;
    struct h2_frames frames;
    uint32_t begun; /* frames of the present read that nghttp2 has told of */
    uint8_t *out; /* frames on their way to the conn */
    size_t out_len;
    struct arena block_arena; /* of header blocks that belong to no request */
    size_t held; /* of all streams */
    size_t owed; /* octets of the connection's window that are kept back */
    uint32_t frame_left; /* payload of the present frame that is still to come */
    bool frame_padded;
    bool in_block; /* a header block is not whole */
    unsigned busy; /* calls of ours on the stack */
    unsigned waiting, closed; /* streams that want to be told; that want to be freed */
    bool in_ng; /* nghttp2 is on the stack: it must not be entered again */
    bool blocked; /* the conn has a queue */
    bool scheduled; /* a deferred flush is under way */
    bool goaway; /* of either side's: no new streams */
    bool settings; /* the peer's have come */
    uint32_t goaway_code; /* the peer's */
    bool ending; /* close when what is queued is out */
    bool gone;
    int write_err; /* the conn takes nothing any more */
    enum reason why; /* of the end that we cause */
    const char *detail;
};

/** Makes the nghttp2 session and sends its SETTINGS. 0 or -ENOMEM, and then `c` is untouched. */
int h2_session_init(struct h2_session *s, const struct h2_role *role, struct engine *e, struct conn *c);
/** Begins to read. */
void h2_session_start(struct h2_session *s);
/** A new stream; NULL: no memory. */
struct h2_stream *h2_stream_new(struct h2_session *s, const struct http_stream_ops *ops, int32_t id);

/** Calls into the session are wrapped in these; the last leave() frees what is to be freed. */
void h2_enter(struct h2_session *s);
void h2_leave(struct h2_session *s);
/** For ops: as h2_leave(), but calls no exchange. */
void h2_leave_quietly(struct h2_session *s);
/** What is queued goes out soon. */
void h2_schedule(struct h2_session *s);
/** GOAWAY with that code, the log's line, and the end. */
void h2_break(struct h2_session *s, uint32_t code, enum reason why, const char *detail);
/** Closes the conn and frees the nghttp2 session: no frames after this. Streams stay until they are released.
 */
void h2_session_end(struct h2_session *s, bool reset);

/** The ops that are the same for both sides (see exchange.h). */
int h2_op_data(struct http_stream *base, const uint8_t *p, size_t n, bool fin);
int h2_op_trailers(struct http_stream *base, const struct field *f, size_t n);
int h2_op_flush(struct http_stream *base);
void h2_op_read_pause(struct http_stream *base, bool paused);
void h2_reset(struct h2_stream *st, uint32_t code);
/** All is sent, and what the peer still sends nobody takes: role->unread(), or else it is called off. */
void h2_unread(struct h2_stream *st, size_t n);
/** For nghttp2_submit_*: the stream's data. */
nghttp2_data_provider h2_data_provider(struct h2_stream *st);

#endif
