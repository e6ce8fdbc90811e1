#include "messages/detail/frame_check.hpp"

#include "messages/durability.hpp"
#include "messages/lifecycle_state.hpp"
#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "messages/wire.hpp"

#include <kj/exception.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace gemel::detail {

namespace {

// Walks one message. The place of the field under check is kept as a list of steps and only spelt
// when a fault is found. The first fault ends the walk: `ok_` is false from then on. A pointer of
// the wrong kind is an exception of Cap'n Proto; it leaves the steps as they stood, so that its
// place is known too.
class checker {
public:
  result<void> run(wire::Message::Reader message);

private:
  struct step_name {
    const char* name;
    int index;
  };

  void enter(const char* name, int index = -1) { place_.push_back({name, index}); }
  void leave() { place_.pop_back(); }

  std::string place() const {
    std::string text;
    for (const auto& s : place_) {
      if (!text.empty())
        text += '.';
      text += s.name;
      if (s.index >= 0)
        text.append("[").append(std::to_string(s.index)).append("]");
    }
    return text.empty() ? "message" : text;
  }

  void fault(errc code, const std::string& what) {
    if (ok_)
      found_ = {code, place() + ": " + what};
    ok_ = false;
  }

  void take(const result<void>& checked) {
    if (!checked)
      fault(checked.error().code, checked.error().context);
  }

  // Checks one field with `check()` under its name.
  template <class Check>
  void field(const char* name, Check check) {
    enter(name);
    check();
    leave();
  }

  // Checks each element of a list with `one(element)` under the name `name[i]`.
  template <class List, class Check>
  void each(const char* name, const List& list, std::size_t count_max, Check one) {
    if (list.size() > count_max)
      return field(name, [&] { too_many(list.size(), count_max, " entries"); });
    enter(name, 0);
    for (unsigned i = 0; ok_ && i < list.size(); ++i) {
      place_.back().index = static_cast<int>(i);
      one(list[i]);
    }
    leave();
  }

  void too_many(std::size_t count, std::size_t count_max, const char* unit) {
    fault(errc::limit_reached,
          std::to_string(count) + unit + ", at most " + std::to_string(count_max) + " are allowed");
  }

  void text(const char* name, capnp::Text::Reader content,
            std::size_t bytes_max = limits::text_bytes_max) {
    enter(name);
    if (content.size() > bytes_max)
      too_many(content.size(), bytes_max, " bytes of text");
    else if (!is_utf8(text_of(content)))
      fault(errc::bad_frame, "not UTF-8");
    leave();
  }

  void id(const char* name, capnp::Text::Reader content) {
    enter(name);
    take(check_id(text_of(content)));
    leave();
  }

  void optional_id(const char* name, capnp::Text::Reader content) {
    if (content.size() > 0)
      id(name, content);
  }

  void optional_type(const char* name, capnp::Text::Reader content) {
    if (content.size() > 0)
      field(name, [&] { take(check_type(text_of(content))); });
  }

  void cause(capnp::Text::Reader content) { text("cause", content, limits::id_bytes_max); }

  void child_policy(wire::ChildPolicy policy) {
    if (policy > wire::ChildPolicy::ORPHAN)
      fault(errc::bad_frame, "unknown policy for children");
  }

  void durability(std::uint8_t wanted) {
    if (wanted != 0 && !durability_of(wanted))
      field("durability",
            [&] { fault(errc::bad_frame, "unknown durability " + std::to_string(wanted)); });
  }

  void expressions(const char* name, capnp::List<capnp::Text>::Reader list) {
    each(name, list, limits::properties_max, [this](auto one) {
      if (one.size() > limits::expression_bytes_max)
        too_many(one.size(), limits::expression_bytes_max, " bytes of text");
      else if (!is_utf8(text_of(one)))
        fault(errc::bad_frame, "not UTF-8");
    });
  }

  // Values that no key table names.
  void values(const char* name, capnp::List<wire::Value>::Reader list) {
    each(name, list, limits::properties_max, [this](auto one) { content(one, 1); });
  }

  void members(const char* name, capnp::List<wire::Member>::Reader list, std::size_t count_max) {
    each(name, list, count_max, [this](auto member) {
      text("key", member.getKey(), limits::key_bytes_max);
      content(member.getValue(), 1);
    });
  }

  void event_kind(wire::EventKind kind) {
    if (kind > wire::EventKind::MOVED)
      fault(errc::bad_frame, "unknown kind of event");
  }

  void ids(const char* name, capnp::List<capnp::Text>::Reader list) {
    each(name, list, limits::batch_entries_max, [this](auto one) { take(check_id(text_of(one))); });
  }

  void keys(capnp::List<capnp::Text>::Reader list) {
    each("keys", list, UINT16_MAX + 1, [this](auto one) { take(check_key(text_of(one))); });
    if (!ok_)
      return;
    keys_differ(list);
    key_count_ = list.size();
    seen_.assign(key_count_, 0);
  }

  void keys_differ(capnp::List<capnp::Text>::Reader list);

  void type_names(capnp::List<capnp::Text>::Reader list) {
    each("types", list, UINT16_MAX + 1, [this](auto one) { take(check_type(text_of(one))); });
    type_count_ = list.size();
  }

  void type_index(std::uint16_t index) {
    if (index >= type_count_)
      fault(errc::bad_frame,
            "type " + std::to_string(index) + " of " + std::to_string(type_count_) + " types");
  }

  void key_index(std::uint16_t index, std::uint32_t turn) {
    if (index >= key_count_) {
      fault(errc::bad_frame,
            "key " + std::to_string(index) + " of " + std::to_string(key_count_) + " keys");
    } else if (turn != 0) {
      if (seen_[index] == turn)
        fault(errc::bad_value, "the same key twice");
      seen_[index] = turn;
    }
  }

  void lifecycle(std::uint8_t state) {
    if (state > static_cast<std::uint8_t>(lifecycle_state::deleted))
      fault(errc::bad_frame, "unknown lifecycle state " + std::to_string(state));
  }

  void kind(wire::Message::Reader message);
  void content(wire::Value::Reader v, std::size_t depth);
  void nested(wire::Value::Reader v, std::size_t depth);
  // With `turn` not 0, no key may come twice in this turn.
  void properties(const char* name, capnp::List<wire::Value>::Reader list, std::uint32_t turn);

  void create(wire::CreateBatch::Reader batch);
  void update(wire::UpdateBatch::Reader batch);
  void more_of_update(wire::MoreOfUpdate::Reader more, std::uint32_t turn);
  void path_change(wire::PathChange::Reader change);
  void get(wire::Get::Reader asked);
  void lifecycle_batch(wire::LifecycleBatch::Reader batch);
  void command(wire::Command::Reader asked);
  void service(wire::ServiceCall::Reader asked);
  void emit(wire::EmitBatch::Reader batch);
  void move(wire::Move::Reader asked);
  void remove(wire::Remove::Reader asked);
  void query(wire::Query::Reader asked);
  void subscribe(wire::Subscribe::Reader asked);
  void reply(wire::Reply::Reader answer);
  void one_error(wire::Error::Reader what) { text("context", what.getContext()); }
  void outcome(wire::Outcome::Reader answer);
  void page(wire::Page::Reader answer);
  void stats(wire::Stats::Reader answer);
  void types(capnp::List<wire::TypeInfo>::Reader list);
  void welcome(wire::Welcome::Reader answer);
  void events(wire::EventBatch::Reader batch);

  std::vector<step_name> place_;
  std::vector<std::uint32_t> seen_;
  std::uint32_t turn_ = 0;
  std::size_t key_count_ = 0;
  std::size_t type_count_ = 0;
  bool ok_ = true;
  error found_;
};

// Two spellings of one key would let one update set a property twice.
void checker::keys_differ(capnp::List<capnp::Text>::Reader list) {
  // Sorted with their position, so that the later of two equal keys is the one that is named.
  std::vector<std::pair<std::string_view, unsigned>> sorted;
  sorted.reserve(list.size());
  for (unsigned i = 0; i < list.size(); ++i)
    sorted.emplace_back(text_of(list[i]), i);
  std::sort(sorted.begin(), sorted.end());
  auto twice = std::adjacent_find(sorted.begin(), sorted.end(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice == sorted.end())
    return;
  enter("keys", static_cast<int>(std::next(twice)->second));
  fault(errc::bad_value, "the same key twice");
  leave();
}

void checker::content(wire::Value::Reader v, std::size_t depth) {
  switch (v.which()) {
  case wire::Value::NULL_:
  case wire::Value::BOOLEAN:
  case wire::Value::INTEGER:
  case wire::Value::REAL:
    return;
  case wire::Value::TEXT:
    return text("text", v.getText());
  case wire::Value::BYTES:
    if (v.getBytes().size() > limits::text_bytes_max)
      field("bytes", [&] { too_many(v.getBytes().size(), limits::text_bytes_max, " bytes"); });
    return;
  case wire::Value::LIST:
  case wire::Value::MAP:
    return nested(v, depth);
  }
  fault(errc::bad_frame, "unknown kind of value");
}

// A list or map that stands in `depth - 1` others.
void checker::nested(wire::Value::Reader v, std::size_t depth) {
  if (depth > limits::value_depth_max)
    return fault(errc::limit_reached,
                 "values nest deeper than " + std::to_string(limits::value_depth_max));
  if (v.isList())
    return each("list", v.getList(), limits::value_elements_max,
                [&](auto element) { content(element, depth + 1); });
  each("map", v.getMap(), limits::value_elements_max, [&](auto member) {
    text("key", member.getKey(), limits::key_bytes_max);
    content(member.getValue(), depth + 1);
  });
}

void checker::properties(const char* name, capnp::List<wire::Value>::Reader list,
                         std::uint32_t turn) {
  each(name, list, limits::properties_max, [&](auto one) {
    key_index(one.getKey(), turn);
    content(one, 1);
  });
}

void checker::create(wire::CreateBatch::Reader batch) {
  durability(batch.getDurability());
  keys(batch.getKeys());
  type_names(batch.getTypes());
  each("creates", batch.getCreates(), limits::batch_entries_max, [this](auto one) {
    optional_id("id", one.getId());
    type_index(one.getType());
    optional_id("parent", one.getParent());
    text("placement", one.getPlacement(), limits::id_bytes_max);
    properties("properties", one.getProperties(), ++turn_);
  });
}

void checker::update(wire::UpdateBatch::Reader batch) {
  if (batch.getReplica())
    field("replica", [&] { fault(errc::bad_frame, "only a node itself says so"); });
  durability(batch.getDurability());
  keys(batch.getKeys());
  each("updates", batch.getUpdates(), limits::batch_entries_max, [this](auto one) {
    id("id", one.getId());
    auto turn = ++turn_;
    properties("set", one.getSet(), turn);
    each("unset", one.getUnset(), limits::properties_max,
         [&](std::uint16_t key) { key_index(key, turn); });
    if (one.hasMore())
      field("more", [&] { more_of_update(one.getMore(), turn); });
  });
  cause(batch.getCause());
}

// `turn` is that of the update, whose keys may not come again.
void checker::more_of_update(wire::MoreOfUpdate::Reader more, std::uint32_t turn) {
  properties("add", more.getAdd(), turn);
  each("paths", more.getPaths(), limits::properties_max,
       [this](auto change) { path_change(change); });
  each("ifAbsent", more.getIfAbsent(), limits::properties_max,
       [this](std::uint16_t key) { key_index(key, 0); });
  text("condition", more.getCondition(), limits::expression_bytes_max);
}

void checker::path_change(wire::PathChange::Reader change) {
  text("path", change.getPath(), limits::expression_bytes_max);
  switch (change.which()) {
  case wire::PathChange::SET:
    return field("set", [&] { content(change.getSet(), 1); });
  case wire::PathChange::UNSET:
    return;
  case wire::PathChange::ADD:
    return field("add", [&] { content(change.getAdd(), 1); });
  case wire::PathChange::APPEND:
    return field("append", [&] { content(change.getAppend(), 1); });
  }
  fault(errc::bad_frame, "unknown kind of change");
}

void checker::get(wire::Get::Reader asked) {
  ids("ids", asked.getIds());
  each("aliases", asked.getAliases(), limits::batch_entries_max, [this](auto one) {
    field("property", [&] { take(check_key(text_of(one.getProperty()))); });
    field("content", [&] { content(one.getContent(), 1); });
  });
  each("only", asked.getOnly(), limits::get_only_max,
       [this](auto one) { take(check_key(text_of(one))); });
  if (ok_)
    keys_differ(asked.getOnly());
}

void checker::lifecycle_batch(wire::LifecycleBatch::Reader batch) {
  durability(batch.getDurability());
  ids("ids", batch.getIds());
  child_policy(batch.getChildren());
}

void checker::command(wire::Command::Reader asked) {
  id("id", asked.getId());
  field("name", [&] { take(check_key(text_of(asked.getName()))); });
  members("arguments", asked.getArguments(), limits::properties_max);
  cause(asked.getCause());
}

void checker::service(wire::ServiceCall::Reader asked) {
  field("service", [&] { take(check_key(text_of(asked.getService()))); });
  field("name", [&] { take(check_key(text_of(asked.getName()))); });
  field("arguments", [&] { content(asked.getArguments(), 1); });
}

void checker::emit(wire::EmitBatch::Reader batch) {
  keys(batch.getKeys());
  each("events", batch.getEvents(), limits::batch_entries_max, [this](auto one) {
    id("id", one.getId());
    field("name", [&] { take(check_key(text_of(one.getName()))); });
    properties("payload", one.getPayload(), ++turn_);
  });
  cause(batch.getCause());
}

void checker::move(wire::Move::Reader asked) {
  durability(asked.getDurability());
  ids("ids", asked.getIds());
  optional_id("parent", asked.getParent());
}

void checker::remove(wire::Remove::Reader asked) {
  durability(asked.getDurability());
  ids("ids", asked.getIds());
  child_policy(asked.getChildren());
}

void checker::query(wire::Query::Reader asked) {
  optional_type("type", asked.getType());
  optional_id("parent", asked.getParent());
  text("where", asked.getWhere(), limits::expression_bytes_max);
  text("orderBy", asked.getOrderBy(), limits::expression_bytes_max);
  text("pageToken", asked.getPageToken());
  each("select", asked.getSelect(), limits::properties_max,
       [this](auto one) { take(check_key(text_of(one))); });
  optional_id("ancestor", asked.getAncestor());
  expressions("groupBy", asked.getGroupBy());
  expressions("aggregates", asked.getAggregates());
}

void checker::subscribe(wire::Subscribe::Reader asked) {
  ids("ids", asked.getIds());
  optional_type("type", asked.getType());
  optional_id("parent", asked.getParent());
  text("where", asked.getWhere(), limits::expression_bytes_max);
  optional_id("ancestor", asked.getAncestor());
  each("kinds", asked.getKinds(), limits::properties_max,
       [this](wire::EventKind kind) { event_kind(kind); });
}

void checker::outcome(wire::Outcome::Reader answer) {
  each("failures", answer.getFailures(), limits::batch_entries_max,
       [this](auto one) { one_error(one); });
  // Empty: the entry was refused for its id.
  each("ids", answer.getIds(), limits::batch_entries_max, [this](auto one) {
    if (one.size() > 0)
      take(check_id(text_of(one)));
  });
}

void checker::page(wire::Page::Reader answer) {
  keys(answer.getKeys());
  type_names(answer.getTypes());
  each("twins", answer.getTwins(), limits::batch_entries_max, [this](auto one) {
    id("id", one.getId());
    type_index(one.getType());
    optional_id("parent", one.getParent());
    lifecycle(one.getLifecycle());
    properties("properties", one.getProperties(), ++turn_);
    text("path", one.getPath());
    each("rollups", one.getRollups(), limits::properties_max,
         [this](auto rollup) { key_index(rollup.getProperty(), 0); });
    each("stamps", one.getStamps(), limits::properties_max, [](auto) {});
    if (one.getStamps().size() != 0 && one.getStamps().size() != one.getProperties().size())
      fault(errc::bad_frame, "as many stamps as properties are expected");
  });
  text("next", answer.getNext());
  each("missing", answer.getMissing(), limits::batch_entries_max, [this](auto one) {
    if (!is_utf8(text_of(one)))
      fault(errc::bad_frame, "not UTF-8");
  });
  each("groups", answer.getGroups(), limits::batch_entries_max, [this](auto one) {
    values("keys", one.getKeys());
    values("values", one.getValues());
  });
  text("explanation", answer.getExplanation());
}

void checker::types(capnp::List<wire::TypeInfo>::Reader list) {
  auto name = [this](const char* field_name, capnp::Text::Reader content) {
    text(field_name, content, limits::type_bytes_max);
  };
  each("types", list, UINT16_MAX + 1, [&](auto one) {
    name("name", one.getName());
    name("extends", one.getExtends());
    expressions("capabilities", one.getCapabilities());
    each("properties", one.getProperties(), limits::properties_max, [&](auto property) {
      name("key", property.getKey());
      name("kind", property.getKind());
      name("unit", property.getUnit());
    });
    expressions("commands", one.getCommands());
  });
}

void checker::stats(wire::Stats::Reader answer) {
  each("counters", answer.getCounters(), limits::batch_entries_max, [this](auto one) {
    text("name", one.getName());
    text("help", one.getHelp());
  });
  each("latencies", answer.getLatencies(), limits::batch_entries_max,
       [this](auto one) { text("name", one.getName()); });
}

void checker::events(wire::EventBatch::Reader batch) {
  keys(batch.getKeys());
  type_names(batch.getTypes());
  each("events", batch.getEvents(), limits::batch_entries_max, [this](auto one) {
    id("id", one.getId());
    type_index(one.getType());
    optional_id("parent", one.getParent());
    event_kind(one.getKind());
    lifecycle(one.getLifecycle());
    properties("changes", one.getChanges(), ++turn_);
    properties("previous", one.getPrevious(), 0);
    if (one.getPrevious().size() != one.getChanges().size())
      fault(errc::bad_frame, "as many old values as new ones are expected");
    text("detail", one.getDetail());
    cause(one.getCause());
    text("name", one.getName(), limits::key_bytes_max);
  });
}

void checker::reply(wire::Reply::Reader answer) {
  switch (answer.which()) {
  case wire::Reply::ERROR:
    return field("error", [&] { one_error(answer.getError()); });
  case wire::Reply::OUTCOME:
    return field("outcome", [&] { outcome(answer.getOutcome()); });
  case wire::Reply::PAGE:
    return field("page", [&] { page(answer.getPage()); });
  case wire::Reply::SUBSCRIBED:
  case wire::Reply::DONE:
    return;
  case wire::Reply::STATS:
    return field("stats", [&] { stats(answer.getStats()); });
  case wire::Reply::WELCOME:
    return field("welcome", [&] { welcome(answer.getWelcome()); });
  case wire::Reply::RESULT:
    return field("result", [&] { content(answer.getResult(), 1); });
  case wire::Reply::TYPES:
    return types(answer.getTypes());
  }
  fault(errc::bad_frame, "unknown kind of reply");
}

void checker::welcome(wire::Welcome::Reader answer) {
  text("node", answer.getNode());
  text("program", answer.getProgram());
}

void checker::kind(wire::Message::Reader message) {
  switch (message.which()) {
  case wire::Message::NOTHING:
    return fault(errc::bad_frame, "an empty message");
  case wire::Message::CREATE:
    return field("create", [&] { create(message.getCreate()); });
  case wire::Message::UPDATE:
    return field("update", [&] { update(message.getUpdate()); });
  case wire::Message::GET:
    return field("get", [&] { get(message.getGet()); });
  case wire::Message::REMOVE:
    return field("remove", [&] { remove(message.getRemove()); });
  case wire::Message::LIFECYCLE:
    return field("lifecycle", [&] { lifecycle_batch(message.getLifecycle()); });
  case wire::Message::QUERY:
    return field("query", [&] { query(message.getQuery()); });
  case wire::Message::SUBSCRIBE:
    return field("subscribe", [&] { subscribe(message.getSubscribe()); });
  case wire::Message::UNSUBSCRIBE:
  case wire::Message::STATS:
  case wire::Message::TYPES:
    return;
  case wire::Message::GRANT:
    // Read for its pointer's sake: all its numbers are allowed.
    return field("grant", [&] { message.getGrant(); });
  case wire::Message::COMMAND:
    return field("command", [&] { command(message.getCommand()); });
  case wire::Message::SERVICE:
    return field("service", [&] { service(message.getService()); });
  case wire::Message::EMIT:
    return field("emit", [&] { emit(message.getEmit()); });
  case wire::Message::MOVE:
    return field("move", [&] { move(message.getMove()); });
  case wire::Message::HELLO:
    return field("hello", [&] { text("program", message.getHello().getProgram()); });
  case wire::Message::REPLY:
    return field("reply", [&] { reply(message.getReply()); });
  case wire::Message::EVENTS:
    return field("events", [&] { events(message.getEvents()); });
  case wire::Message::SYNC:
    // Its body has a checksum and a reader of its own, which needs the session's names.
    return field("sync", [&] { message.getSync().getBody(); });
  case wire::Message::CONTROL:
    // Control messages stay between the cells of one node.
    return fault(errc::bad_frame, "a control message from outside");
  }
  fault(errc::bad_frame, "unknown kind of message");
}

result<void> checker::run(wire::Message::Reader message) {
  place_.reserve(limits::frame_depth_max);
  try {
    kind(message);
  } catch (const kj::Exception& broken) {
    fault(errc::bad_frame, reason_of(broken));
  }
  if (!ok_)
    return tl::unexpected<error>(std::move(found_));
  return {};
}

} // namespace

result<void> check_message(wire::Message::Reader message) {
  return checker{}.run(message);
}

std::string reason_of(const kj::Exception& broken) {
  // `expected <condition> [<values>]; <reason>`
  auto description = broken.getDescription();
  std::string_view text{description.begin(), description.size()};
  if (auto end = text.rfind("; "); end != std::string_view::npos)
    text.remove_prefix(end + 2);
  std::string reason{text.substr(0, 200)};
  std::replace_if(
      reason.begin(), reason.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return reason;
}

} // namespace gemel::detail
