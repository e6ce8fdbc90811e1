@0xa2923e435ac11cd0;
# Every message of gemel: requests from doors, replies, events, and the control messages between
# cells. Who talks to whom is listed in actors/protocol.hpp. A frame holds one `Message`. With the
# connection are lost: requests that have no reply yet (their effect is then unknown to the asker),
# and subscriptions. Numbers carry their unit in the name. Unset numbers are 0, unset texts empty.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("gemel::wire");

using Values = import "value.capnp";
using Value = Values.Value;
using KeyIndex = Values.KeyIndex;
using Member = Values.Member;

using TwinId = Text;
# 1 to id_bytes_max bytes of UTF-8, no control characters, no '/'. Unique in a cluster.

using TypeIndex = UInt16;
# Index into the `types` table of the message that the twin stands in.

using TimeUs = Int64;
# Microseconds since 1970-01-01 UTC. 0: not given.

const protocolVersion :UInt16 = 1;
# Raised when a peer of the version before could misread a message.

struct Message {
  union {
    nothing @0 :Void;
    # An empty frame; refused at every door.
    create @1 :CreateBatch;
    update @2 :UpdateBatch;
    get @3 :Get;
    remove @4 :Remove;
    lifecycle @5 :LifecycleBatch;
    query @6 :Query;
    subscribe @7 :Subscribe;
    unsubscribe @8 :UInt64;
    # The subscription's number, from `Reply.subscribed`.
    grant @9 :Grant;
    stats @10 :Void;
    hello @11 :Hello;
    reply @12 :Reply;
    events @13 :EventBatch;
    control @14 :Control;
    command @15 :Command;
    emit @16 :EmitBatch;
    move @17 :Move;
    types @18 :Void;
    # Asks which twin types there are: their models and how many twins of each live.
    service @19 :ServiceCall;
    sync @20 :Sync;
  }
}

# ---- requests --------------------------------------------------------------------------------

struct CreateBatch {
  # Makes twins. Answered by `Reply.outcome`. An entry may name an earlier entry as its parent.
  keys @0 :List(Text);
  types @1 :List(Text);
  creates @2 :List(Create);
  # At most batch_entries_max.
  durability @3 :UInt8;
  # What must be true before the answer: 0: as the node or the twin's type says, else one more than
  # a `durability` of messages/durability.hpp. A node without a store knows only that it is applied.
}

struct Create {
  id @0 :TwinId;
  # Empty: the node makes a random UUID (version 4) and answers it.
  type @1 :TypeIndex;
  parent @2 :TwinId;
  # Empty: a root twin.
  properties @3 :List(Value);
  # No key twice. At most properties_max.
  placement @4 :Text;
  # Twins of one non-empty placement key share a shard. Empty: with the siblings, see registry/.
  ifAbsent @5 :Bool;
  # A twin that is there already is no failure; it stays as it is.
}

struct UpdateBatch {
  # Changes properties. Answered by `Reply.outcome`. Each entry is applied whole or not at all; the
  # entries of one batch are independent of each other, unless it is atomic.
  keys @0 :List(Text);
  updates @1 :List(Update);
  atomic @2 :Bool;
  # All entries take effect or none, and nobody sees some of them without the others. No twin twice.
  cause @3 :Text;
  # The id of the event that led to this, for the events that follow. Empty: none. At most
  # id_bytes_max bytes.
  durability @4 :UInt8;
  # As in `CreateBatch`.
  replica @5 :Bool;
  # What the replicas of the node hold, shown by the twin in every state of its lifecycle. The node
  # alone says so: refused from outside.
}

struct Update {
  id @0 :TwinId;
  set @1 :List(Value);
  # No key twice, none that `unset` holds too.
  unset @2 :List(KeyIndex);
  # Removes properties; one that is not there is no error.
  ifVersion @3 :UInt64;
  # Only if the twin's version is this; else precondition_failed. 0: no condition.
  sourceTimeUs @4 :TimeUs;
  # When the device measured it. 0: when the twin applied it.
  more @5 :MoreOfUpdate;
  # What few updates need, so that the others carry one pointer for it.
}

struct MoreOfUpdate {
  add @0 :List(Value);
  # Numbers to add to properties; a property that is not there counts as 0. No key that `set` or
  # `unset` holds too. Integers that overflow are refused.
  paths @1 :List(PathChange);
  # Changes inside properties that are maps or lists, one after the other, after all of the above.
  replace @2 :Bool;
  # Properties that `set` does not name are removed.
  ifAbsent @3 :List(KeyIndex);
  # Only if the twin has none of these properties; else precondition_failed.
  condition @4 :Text;
  # Only if this expression holds for the twin as it is; else precondition_failed. Empty: always.
}

struct PathChange {
  # A change inside one property.
  path @0 :Text;
  # A property, then steps: `.key` into a map, `[n]` into a list (from 0; negative from the end).
  # Such as `limits.high` or `axes[2].speed`. A missing map on the way is made, a missing list
  # element is an error.
  union {
    set @1 :Value;
    unset @2 :Void;
    # Removes the member or element; one that is not there is no error.
    add @3 :Value;
    # Adds a number to a number; missing counts as 0.
    append @4 :Value;
    # Puts an element behind a list; a missing list is made.
  }
}

struct Get {
  ids @0 :List(TwinId);
  # Answered by `Reply.page`, in the order asked; a twin that is not there is in `missing`.
  aliases @1 :List(Alias);
  # Further twins, by a unique property. What is not found is in `missing` as `property=value`.
  withStamps @2 :Bool;
  # Answers `Twin.stamps` too.
  only @3 :List(Text);
  # If not empty: of each twin its id, type, version and these properties are answered, and nothing
  # else (no parent, path...). At most 16. A get that is sent to a twin's own address
  # answers everything.
}

struct Alias {
  # A property that its type's model declares unique, and a value.
  property @0 :Text;
  content @1 :Value;
}

struct Command {
  # Asks a twin's behaviour to do something. Answered by `Reply.result`.
  id @0 :TwinId;
  name @1 :Text;
  arguments @2 :List(Member);
  timeoutMs @3 :UInt32;
  # The answer comes by then, at the latest as timed_out. 0: the node's default.
  cause @4 :Text;
}

struct ServiceCall {
  # Asks a coordinator of the node, such as that of workflows, to do something. Answered by
  # `Reply.result`, which may come late: a call can wait for something to happen.
  service @0 :Text;
  # Such as `workflows`. As valid as a property key.
  name @1 :Text;
  # What to do. As valid as a property key.
  arguments @2 :Value;
  # A map or null; what may stand in it, the coordinator says.
}

struct EmitBatch {
  # Events that happen to twins without changing them, such as `serviced`. Answered by
  # `Reply.outcome`; subscribers see them as events of kind `emitted`, the twin's behaviour too.
  keys @0 :List(Text);
  events @1 :List(Emit);
  cause @2 :Text;
}

struct Emit {
  id @0 :TwinId;
  name @1 :Text;
  # As valid as a property key.
  payload @2 :List(Value);
  sourceTimeUs @3 :TimeUs;
}

struct Move {
  # Gives twins another parent, with all that is below them. Answered by `Reply.outcome`.
  ids @0 :List(TwinId);
  parent @1 :TwinId;
  # Empty: they become roots.
  durability @2 :UInt8;
  # As in `CreateBatch`.
}

struct Remove {
  # Deletes twins. Answered by `Reply.outcome`.
  ids @0 :List(TwinId);
  children @1 :ChildPolicy;
  durability @2 :UInt8;
  # As in `CreateBatch`.
}

enum ChildPolicy {
  refuse @0;
  # A twin with children stays: has_children.
  cascade @1;
  # The whole subtree goes.
  orphan @2;
  # The children become roots.
}

struct LifecycleBatch {
  # Moves twins along the lifecycle table of registry/lifecycle.hpp. Answered by `Reply.outcome`.
  ids @0 :List(TwinId);
  trigger @1 :UInt8;
  # A `lifecycle_trigger`.
  children @2 :ChildPolicy;
  # Of `retire` alone: what becomes of the children; cascade retires them too.
  durability @3 :UInt8;
  # As in `CreateBatch`.
}

struct Query {
  # Finds twins. Answered by `Reply.page`. Every write acknowledged before is seen.
  type @0 :Text;
  # Empty: any type.
  parent @1 :TwinId;
  # Only its direct children. Empty: not asked for.
  rootsOnly @2 :Bool;
  where @3 :Text;
  # An expression (formats.md section 3). Empty: all.
  select @4 :List(Text);
  # Expressions to answer, mostly property keys, each under its own text. Empty: all properties.
  orderBy @5 :Text;
  # An expression, mostly a property. Empty: by id.
  descending @6 :Bool;
  limit @7 :UInt32;
  # Rows of a page, at most page_rows_max. 0: 100.
  pageToken @8 :Text;
  # From `Page.next` of the same query.
  countOnly @9 :Bool;
  ancestor @10 :TwinId;
  # Only twins below this one, at any depth. Empty: not asked for.
  groupBy @11 :List(Text);
  # Expressions; answers one `Group` for each combination of their values instead of twins.
  aggregates @12 :List(Text);
  # `count()`, or `count|sum|avg|min|max(expression)`. With an empty `groupBy`: one group of all.
  explain @13 :Bool;
  # Answers how the query is carried out, in `Page.explanation`, and runs it.
}

struct Subscribe {
  # Asks for events from now on, answered by `Reply.subscribed` and then by `EventBatch`es.
  ids @0 :List(TwinId);
  # Only these twins, which must exist, until they are deleted. Empty: not asked for.
  type @1 :Text;
  # Only this type. Empty: any.
  parent @2 :TwinId;
  # Only direct children of this twin. Empty: any.
  where @3 :Text;
  # Only if this holds: properties are those of the twin's new state, `new.x` and `old.x` those
  # after and before the event, `changed(x)` whether it changed, `event` the kind or the name of an
  # emitted event. Empty: always.
  credit @4 :UInt32;
  # Events that may come before the next `Grant`. 0: subscriber_backlog_max.
  ancestor @5 :TwinId;
  # Only twins below this one, at any depth. Empty: any.
  kinds @6 :List(EventKind);
  # Empty: all kinds.
  minIntervalMs @7 :UInt32;
  # At most one event for each twin in this time; changes in between are folded into the next one:
  # oldest old value, newest new one. Only `updated` events are held back. 0: every event.
  keepMs @8 :UInt32;
  # How long the subscription outlives its link, to be resumed; events up to its credit are kept.
  # 0: it ends with the link.
  resume @9 :UInt64;
  # Takes over this subscription, made with `keepMs`, from a link that broke; all else here but
  # `credit` and `resumeAfter` is ignored. 0: a new one.
  resumeAfter @10 :UInt64;
  # The last sequence number that was seen; what came later is sent again, or, if it is not kept,
  # counted in `missed` once.
  durable @11 :Bool;
  # Events come only when a crash of the node can no longer undo them (`process`).
}

struct Grant {
  subscription @0 :UInt64;
  credit @1 :UInt32;
  # Further events that may come.
}

struct Hello {
  # The first message on a link.
  protocol @0 :UInt16;
  program @1 :Text;
  # For people, such as "gemel 0.1.0".
}

# ---- replies ---------------------------------------------------------------------------------

struct Reply {
  union {
    error @0 :Error;
    # The request as a whole failed; nothing was done.
    outcome @1 :Outcome;
    page @2 :Page;
    subscribed @3 :UInt64;
    done @4 :Void;
    stats @5 :Stats;
    welcome @6 :Welcome;
    result @7 :Value;
    # Of a command.
    types @8 :List(TypeInfo);
  }
}

struct TypeInfo {
  name @0 :Text;
  extends @1 :Text;
  # Empty: nothing.
  capabilities @2 :List(Text);
  properties @3 :List(PropertyInfo);
  commands @4 :List(Text);
  twins @5 :UInt64;
  # Live ones of just this type.
  hasBehavior @6 :Bool;
}

struct PropertyInfo {
  key @0 :Text;
  kind @1 :Text;
  # `boolean`, `integer`, `number`, `text`, `bytes`, `list`, `map` or empty for any.
  unit @2 :Text;
  indexed @3 :Bool;
  unique @4 :Bool;
}

struct Error {
  code @0 :UInt16;
  # An `errc`.
  context @1 :Text;
  index @2 :UInt32;
  # In an outcome: which entry of the batch.
  retryAfterMs @3 :UInt32;
  # Of `overloaded`: when trying again is worth it. 0: not known.
}

struct Outcome {
  applied @0 :UInt32;
  # Entries that took effect. applied + length(failures) = entries of the batch.
  failures @1 :List(Error);
  # In the order of their index.
  ids @2 :List(TwinId);
  # Of a create: the id of every entry, also of those that failed; empty where there was none.
}

struct Twin {
  id @0 :TwinId;
  type @1 :TypeIndex;
  parent @2 :TwinId;
  version @3 :UInt64;
  # 1 when made; raised by one for each property that an update changes.
  lifecycle @4 :UInt8;
  # A `lifecycle_state`.
  updatedAtUs @5 :TimeUs;
  # Wall-clock time of the last change; hybrid, so it never goes back.
  hasChildren @6 :Bool;
  properties @7 :List(Value);
  path @8 :Text;
  # '/' and the ids from the root down to this twin, joined by '/'.
  rollups @9 :List(Rollup);
  # Of all twins below it, as its type's model asks for.
  stamps @10 :List(PropertyStamp);
  # One for each of `properties`, if they were asked for.
}

struct Rollup {
  property @0 :KeyIndex;
  # Of the twins below.
  count @1 :UInt64;
  # Those that have it as a number; the rest below is of these.
  sum @2 :Float64;
  # Correctly rounded, whatever the order.
  min @3 :Float64;
  max @4 :Float64;
}

struct PropertyStamp {
  # Which write a value came from.
  time @0 :UInt64;
  # A `hybrid_time`.
  dot @1 :UInt64;
  # Writer and counter, see messages/stamp.hpp.
  sourceTimeUs @2 :TimeUs;
}

struct Page {
  keys @0 :List(Text);
  types @1 :List(Text);
  twins @2 :List(Twin);
  next @3 :Text;
  # Token of the next page. Empty: this was the last one.
  total @4 :UInt64;
  # Twins that match, when countOnly was asked; else 0.
  missing @5 :List(Text);
  # Ids asked for that are not there, and aliases as `property=value`.
  groups @6 :List(Group);
  explanation @7 :Text;
}

struct Group {
  keys @0 :List(Value);
  # One for each of `groupBy`; a missing value is a null.
  values @1 :List(Value);
  # One for each of `aggregates`.
}

struct Stats {
  counters @0 :List(Counter);
  latencies @1 :List(Latency);
}

struct Counter {
  name @0 :Text;
  # Such as "gemel_updates_applied_total"; names follow OpenMetrics.
  value @1 :Float64;
  help @2 :Text;
}

struct Latency {
  name @0 :Text;
  count @1 :UInt64;
  p50Ns @2 :UInt64;
  p99Ns @3 :UInt64;
  p999Ns @4 :UInt64;
  maxNs @5 :UInt64;
}

struct Welcome {
  protocol @0 :UInt16;
  node @1 :Text;
  program @2 :Text;
}

# ---- events ----------------------------------------------------------------------------------

enum EventKind {
  created @0;
  updated @1;
  removed @2;
  lifecycle @3;
  crashed @4;
  emitted @5;
  # Something happened to the twin that changes no property: `Event.name` and, as `changes`, its
  # payload.
  moved @6;
  # It has another parent, or none.
}

struct EventBatch {
  # What happened, in the order of the cell that saw it. Events of one twin never change order.
  subscription @0 :UInt64;
  keys @1 :List(Text);
  types @2 :List(Text);
  events @3 :List(Event);
  missed @4 :UInt64;
  # Events left out before the first one here because the subscriber was slow. Read the twins again.
  firstSequence @5 :UInt64;
  # Of a subscription that can be resumed: the number of the first event here; they go up by one.
}

struct Event {
  id @0 :TwinId;
  type @1 :TypeIndex;
  parent @2 :TwinId;
  kind @3 :EventKind;
  version @4 :UInt64;
  # After the event.
  timeUs @5 :TimeUs;
  sourceTimeUs @6 :TimeUs;
  lifecycle @7 :UInt8;
  changes @8 :List(Value);
  # The properties that changed with their new values; of a removed property a null.
  previous @9 :List(Value);
  # The old values, one for each of `changes`; of a new property a null.
  detail @10 :Text;
  # Of a crash: what the behaviour threw.
  shard @11 :UInt16;
  dot @12 :UInt64;
  # With `shard`: the id of this event, see messages/stamp.hpp. Of an update: that of its last
  # property. Every event has one of its own.
  cause @13 :Text;
  # The id of the event that led to this one, as the writer said. Empty: none.
  name @14 :Text;
  # Of `emitted`.
}

# ---- between nodes ---------------------------------------------------------------------------

struct Sync {
  # One message between the replicas of two nodes. A link may lose, repeat, reorder or damage it.
  session @0 :UInt64;
  # Both sides' nonces, mixed. 0: of a hello, before there is a session.
  kind @1 :UInt8;
  # Which alternative of `sync_message` in messages/sync_message.hpp.
  checksum @2 :UInt32;
  # Of session, kind and body.
  body @3 :Data;
  # See messages/sync_message.hpp; properties as columns, by zstd if that pays.
}

# ---- between cells ---------------------------------------------------------------------------

struct Control {
  # One message from cell to cell about a parent and its group of children, which may live in two
  # cells. The hierarchy actor lives with the children.
  parent @0 :TwinId;
  operation @1 :UInt64;
  # Given by the asking cell, returned in the answer.
  sender @2 :UInt16;
  # The asking cell's index.
  union {
    open @3 :Void;
    # Asks the parent's cell to accept a group: the first child is about to be made.
    opened @4 :Opened;
    # The parent's cell agrees, or says why not.
    close @5 :ChildPolicy;
    # The parent is about to be deleted.
    closed @6 :Error;
    # The group is gone, or why it is not (code 0: gone).
    emptied @7 :Void;
    # The last child left and the group is gone.
    failed @8 :Text;
    # Supervision of the group gave up; to be treated as a crash of the parent.
    restart @9 :Void;
    # The parent was restarted: its children start anew.
    stop @10 :Void;
    # The parent was stopped by its supervisor, which starts it again or gives it up: its children
    # stop, in the state that they are in.
    moved @11 :Opened;
    # The parent has another place in the tree now: path, depth and roll-ups. No error, no type.
    giveUp @12 :Void;
    # Supervision gave the parent up: its children are faulted.
    retire @13 :Void;
    # The parent is about to be retired with all below; answered by `closed`.
  }
}

struct Opened {
  error @0 :Error;
  # Code 0: agreed.
  path @1 :Text;
  # The parent's path.
  depth @2 :UInt16;
  # The parent's depth; a root has 1.
  type @3 :Text;
  # The parent's type, which chooses the supervision policy.
  rollups @4 :List(UInt32);
  # Numbers of the keys that the group is to keep roll-ups of, for its parent and all above it.
  faulted @5 :Bool;
  # The parent is faulted, so its children are.
}
