#include "messages/detail/frame_check.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "messages/lifecycle_state.hpp"
#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "messages/wire.hpp"

namespace gemel::detail {

namespace {

// Walks one message. The place of the field under check is kept as a list of steps and only spelt
// when a fault is found. The first fault ends the walk: `ok_` is false from then on.
class checker {
public:
  result<void> run(wire::Message::Reader message);

private:
  class step {
  public:
    step(checker& owner, const char* name, int index = -1) : owner_{owner} {
      owner_.place_.push_back({name, index});
    }
    ~step() { owner_.place_.pop_back(); }
    step(const step&) = delete;
    step& operator=(const step&) = delete;

  private:
    checker& owner_;
  };

  struct step_name {
    const char* name;
    int index;
  };

  std::string place() const {
    std::string text;
    for (const auto& s : place_) {
      if (!text.empty())
        text += '.';
      text += s.name;
      if (s.index >= 0)
        text.append("[").append(std::to_string(s.index)).append("]");
    }
    return text;
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

  // Checks each element of a list with `one(element)` under the name `field[i]`.
  template <class List, class Check>
  void each(const char* field, const List& list, std::size_t count_max, Check one) {
    if (list.size() > count_max) {
      step at{*this, field};
      fault(errc::limit_reached, std::to_string(list.size()) + " entries, at most "
                                   + std::to_string(count_max) + " are allowed");
    }
    for (unsigned i = 0; ok_ && i < list.size(); ++i) {
      step at{*this, field, static_cast<int>(i)};
      one(list[i]);
    }
  }

  void text(const char* field, capnp::Text::Reader content,
            std::size_t bytes_max = limits::text_bytes_max) {
    step at{*this, field};
    if (content.size() > bytes_max)
      fault(errc::limit_reached, std::to_string(content.size()) + " bytes of text, at most "
                                   + std::to_string(bytes_max) + " are allowed");
    if (!is_utf8(text_of(content)))
      fault(errc::bad_frame, "not UTF-8");
  }

  void id(const char* field, capnp::Text::Reader content) {
    step at{*this, field};
    take(check_id(text_of(content)));
  }

  void optional_id(const char* field, capnp::Text::Reader content) {
    if (content.size() > 0)
      id(field, content);
  }

  void optional_type(const char* field, capnp::Text::Reader content) {
    step at{*this, field};
    if (content.size() > 0)
      take(check_type(text_of(content)));
  }

  void ids(const char* field, capnp::List<capnp::Text>::Reader list) {
    each(field, list, limits::batch_entries_max, [this](auto one) { take(check_id(text_of(one))); });
  }

  void keys(capnp::List<capnp::Text>::Reader list) {
    each("keys", list, UINT16_MAX + 1, [this](auto one) { take(check_key(text_of(one))); });
    key_count_ = list.size();
    seen_.assign(key_count_, 0);
  }

  void types(capnp::List<capnp::Text>::Reader list) {
    each("types", list, UINT16_MAX + 1, [this](auto one) { take(check_type(text_of(one))); });
    type_count_ = list.size();
  }

  void type_index(std::uint16_t index) {
    if (index >= type_count_)
      fault(errc::bad_frame, "type " + std::to_string(index) + " of "
                               + std::to_string(type_count_) + " types");
  }

  void key_index(std::uint16_t index, std::uint32_t turn) {
    if (index >= key_count_) {
      fault(errc::bad_frame, "key " + std::to_string(index) + " of " + std::to_string(key_count_)
                               + " keys");
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

  void content(wire::Value::Reader v, std::size_t depth);
  // With `turn` not 0, no key may come twice in this turn.
  void properties(const char* field, capnp::List<wire::Value>::Reader list, std::uint32_t turn);

  void create(wire::CreateBatch::Reader batch);
  void update(wire::UpdateBatch::Reader batch);
  void query(wire::Query::Reader asked);
  void subscribe(wire::Subscribe::Reader asked);
  void reply(wire::Reply::Reader answer);
  void one_error(wire::Error::Reader what) { text("context", what.getContext()); }
  void outcome(wire::Outcome::Reader answer);
  void page(wire::Page::Reader answer);
  void stats(wire::Stats::Reader answer);
  void events(wire::EventBatch::Reader batch);

  std::vector<step_name> place_;
  std::vector<std::uint32_t> seen_;
  std::uint32_t turn_ = 0;
  std::size_t key_count_ = 0;
  std::size_t type_count_ = 0;
  bool ok_ = true;
  error found_;
};

void checker::content(wire::Value::Reader v, std::size_t depth) {
  if (depth > limits::value_depth_max)
    return fault(errc::limit_reached, "values nest deeper than "
                                        + std::to_string(limits::value_depth_max));
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
        fault(errc::limit_reached, "too many bytes");
      return;
    case wire::Value::LIST:
      return each("list", v.getList(), limits::value_elements_max,
                  [&](auto element) { content(element, depth + 1); });
    case wire::Value::MAP:
      return each("map", v.getMap(), limits::value_elements_max, [&](auto member) {
        text("key", member.getKey(), limits::key_bytes_max);
        content(member.getValue(), depth + 1);
      });
  }
  fault(errc::bad_frame, "unknown kind of value");
}

void checker::properties(const char* field, capnp::List<wire::Value>::Reader list,
                         std::uint32_t turn) {
  each(field, list, limits::properties_max, [&](auto one) {
    key_index(one.getKey(), turn);
    content(one, 1);
  });
}

void checker::create(wire::CreateBatch::Reader batch) {
  keys(batch.getKeys());
  types(batch.getTypes());
  each("creates", batch.getCreates(), limits::batch_entries_max, [this](auto one) {
    optional_id("id", one.getId());
    type_index(one.getType());
    optional_id("parent", one.getParent());
    text("placement", one.getPlacement(), limits::id_bytes_max);
    properties("properties", one.getProperties(), ++turn_);
  });
}

void checker::update(wire::UpdateBatch::Reader batch) {
  keys(batch.getKeys());
  each("updates", batch.getUpdates(), limits::batch_entries_max, [this](auto one) {
    id("id", one.getId());
    auto turn = ++turn_;
    properties("set", one.getSet(), turn);
    each("unset", one.getUnset(), limits::properties_max,
         [&](std::uint16_t key) { key_index(key, turn); });
  });
}

void checker::query(wire::Query::Reader asked) {
  optional_type("type", asked.getType());
  optional_id("parent", asked.getParent());
  text("where", asked.getWhere(), limits::expression_bytes_max);
  text("orderBy", asked.getOrderBy(), limits::expression_bytes_max);
  text("pageToken", asked.getPageToken());
  each("select", asked.getSelect(), limits::properties_max,
       [this](auto one) { take(check_key(text_of(one))); });
}

void checker::subscribe(wire::Subscribe::Reader asked) {
  ids("ids", asked.getIds());
  optional_type("type", asked.getType());
  optional_id("parent", asked.getParent());
  text("where", asked.getWhere(), limits::expression_bytes_max);
}

void checker::outcome(wire::Outcome::Reader answer) {
  each("failures", answer.getFailures(), limits::batch_entries_max,
       [this](auto one) { one_error(one); });
  ids("ids", answer.getIds());
}

void checker::page(wire::Page::Reader answer) {
  keys(answer.getKeys());
  types(answer.getTypes());
  each("twins", answer.getTwins(), limits::batch_entries_max, [this](auto one) {
    id("id", one.getId());
    type_index(one.getType());
    optional_id("parent", one.getParent());
    lifecycle(one.getLifecycle());
    properties("properties", one.getProperties(), ++turn_);
    text("path", one.getPath());
  });
  text("next", answer.getNext());
  ids("missing", answer.getMissing());
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
  types(batch.getTypes());
  each("events", batch.getEvents(), limits::batch_entries_max, [this](auto one) {
    id("id", one.getId());
    type_index(one.getType());
    optional_id("parent", one.getParent());
    if (one.getKind() > wire::EventKind::CRASHED)
      fault(errc::bad_frame, "unknown kind of event");
    lifecycle(one.getLifecycle());
    properties("changes", one.getChanges(), ++turn_);
    properties("previous", one.getPrevious(), 0);
    if (one.getPrevious().size() != one.getChanges().size())
      fault(errc::bad_frame, "as many old values as new ones are expected");
    text("detail", one.getDetail());
  });
}

void checker::reply(wire::Reply::Reader answer) {
  switch (answer.which()) {
    case wire::Reply::ERROR:
      return one_error(answer.getError());
    case wire::Reply::OUTCOME:
      return outcome(answer.getOutcome());
    case wire::Reply::PAGE:
      return page(answer.getPage());
    case wire::Reply::SUBSCRIBED:
    case wire::Reply::DONE:
      return;
    case wire::Reply::STATS:
      return stats(answer.getStats());
    case wire::Reply::WELCOME:
      text("node", answer.getWelcome().getNode());
      return text("program", answer.getWelcome().getProgram());
  }
  fault(errc::bad_frame, "unknown kind of reply");
}

result<void> checker::run(wire::Message::Reader message) {
  switch (message.which()) {
    case wire::Message::NOTHING:
      fault(errc::bad_frame, "an empty message");
      break;
    case wire::Message::CREATE: {
      step at{*this, "create"};
      create(message.getCreate());
      break;
    }
    case wire::Message::UPDATE: {
      step at{*this, "update"};
      update(message.getUpdate());
      break;
    }
    case wire::Message::GET: {
      step at{*this, "get"};
      ids("ids", message.getGet().getIds());
      break;
    }
    case wire::Message::REMOVE: {
      step at{*this, "remove"};
      ids("ids", message.getRemove().getIds());
      if (message.getRemove().getChildren() > wire::ChildPolicy::ORPHAN)
        fault(errc::bad_frame, "unknown policy for children");
      break;
    }
    case wire::Message::LIFECYCLE: {
      step at{*this, "lifecycle"};
      ids("ids", message.getLifecycle().getIds());
      break;
    }
    case wire::Message::QUERY: {
      step at{*this, "query"};
      query(message.getQuery());
      break;
    }
    case wire::Message::SUBSCRIBE: {
      step at{*this, "subscribe"};
      subscribe(message.getSubscribe());
      break;
    }
    case wire::Message::UNSUBSCRIBE:
    case wire::Message::GRANT:
    case wire::Message::STATS:
      break;
    case wire::Message::HELLO: {
      step at{*this, "hello"};
      text("program", message.getHello().getProgram());
      break;
    }
    case wire::Message::REPLY: {
      step at{*this, "reply"};
      reply(message.getReply());
      break;
    }
    case wire::Message::EVENTS: {
      step at{*this, "events"};
      events(message.getEvents());
      break;
    }
    case wire::Message::CONTROL:
      // Control messages stay between the cells of one node.
      fault(errc::bad_frame, "a control message from outside");
      break;
    default:
      fault(errc::bad_frame, "unknown kind of message");
  }
  if (!ok_)
    return tl::unexpected<error>(std::move(found_));
  return {};
}

} // namespace

result<void> check_message(wire::Message::Reader message) {
  return checker{}.run(message);
}

} // namespace gemel::detail
