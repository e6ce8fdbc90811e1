#pragma once

/// The page: every actor, and who may send what to whom. New here? Read this first.
///
/// All payloads are frames (messages/frame.hpp): one immutable `wire::Message` each, passed on
/// inside a node without a copy, and between nodes as checked bytes. An atom before a frame only
/// says which of the receiver's roles it is for. What an actor does not know it drops.
///
///     TWIN      one twin's address (twin_actor.hpp). A true CAF actor without a mailbox: what is
///               sent to it is queued in its CELL and run in that cell's turn.
///                 (frame update)            -> (frame reply.outcome)
///                 (frame command)           -> (frame reply.result)
///                 (frame emit)              -> (frame reply.outcome)
///                 (frame get)               -> (frame reply.page)
///                 exit_msg                  the twin's behaviour ends; its supervisor decides
///               Anybody may monitor it or link to it; they hear when the twin is deleted, not
///               when it is restarted.
///
///     HIERARCHY one parent's children (hierarchy.hpp): an address of the same kind, supervised
///               state in the CELL of the children. Takes no frames of its own.
///
///     CELL      runs the twins of many shards (cell.hpp). No CAF actor: nobody needs its address.
///               Its queues (cell_inbox.hpp) are filled directly, by INGRESS with its share of a
///               batch, by TWIN with addressed messages, by other CELLs with `wire::Control`;
///               whoever puts the first item in has it scheduled (cell_runner.hpp). Threads of the
///               node's own give it its turns (runtime/adapters/cell_workers.hpp), in simulated
///               time a seeded loop.
///
///     INGRESS   no actor but a thread-safe object (ingress.hpp), so that a door's own thread does
///               the routing and no mailbox is a bottleneck. Every request goes in here.
///
///     DOOR      what a node publishes (session_actor.hpp).
///                 (frame hello, actor sink) -> (frame welcome, actor session) | (frame error,
///                 null) (close_atom)              ends, after its sessions
///                 (sweep_atom)              from itself, while subscriptions wait to be resumed
///
///     SESSION   one linked program.
///                 (frame request)           -> (frame reply)
///                 (answer_atom, n, frame)   from INGRESS: the reply to its n-th request
///                 (event_atom, frame)       from CELLs: events; passed on to the sink
///                 (close_atom)              ends, with its subscriptions; so does the sink's end
///
///     SINK      the program's side of a session (runtime/client.cpp).
///                 (event_atom, frame)       events; each batch is answered by a `grant` request
///
///     SUBSCRIBER one subscription inside the process.
///                 (event_atom, frame)       from CELLs: events for its callback
///                 (close_atom)              ends

#include "messages/frame.hpp"

#include <caf/all.hpp>

CAF_BEGIN_TYPE_ID_BLOCK(gemel, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(gemel, (gemel::frame))
CAF_ADD_ATOM(gemel, gemel, answer_atom, "answer")
CAF_ADD_ATOM(gemel, gemel, event_atom, "event")
CAF_ADD_ATOM(gemel, gemel, close_atom, "close")
CAF_ADD_ATOM(gemel, gemel, sweep_atom, "sweep")
CAF_END_TYPE_ID_BLOCK(gemel)
