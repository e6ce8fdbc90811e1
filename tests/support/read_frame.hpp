#pragma once

#include "messages/frame.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"

#include <cstddef>
#include <string>
#include <vector>

/// Reads what a frame says, whole, as the actors do: everything a key, type or length leads to.
namespace gemel::test {

inline properties read_properties(capnp::List<wire::Value>::Reader list,
                                  capnp::List<capnp::Text>::Reader keys) {
  properties read;
  for (auto one : list)
    read.push_back({std::string{text_of(keys[one.getKey()])}, read_value(one)});
  return read;
}

inline std::vector<std::string> read_texts(capnp::List<capnp::Text>::Reader list) {
  std::vector<std::string> read;
  for (auto one : list)
    read.emplace_back(text_of(one));
  return read;
}

inline std::vector<new_twin> read_create(wire::CreateBatch::Reader batch) {
  std::vector<new_twin> read;
  for (auto one : batch.getCreates())
    read.push_back({std::string{text_of(one.getId())},
                    std::string{text_of(batch.getTypes()[one.getType()])},
                    std::string{text_of(one.getParent())},
                    read_properties(one.getProperties(), batch.getKeys()),
                    std::string{text_of(one.getPlacement())}});
  return read;
}

inline std::vector<twin_update> read_update(wire::UpdateBatch::Reader batch) {
  std::vector<twin_update> read;
  for (auto one : batch.getUpdates()) {
    auto& update = read.emplace_back();
    update.id = text_of(one.getId());
    update.set = read_properties(one.getSet(), batch.getKeys());
    for (auto key : one.getUnset())
      update.unset.emplace_back(text_of(batch.getKeys()[key]));
    update.if_version = one.getIfVersion();
    update.source_time_us = one.getSourceTimeUs();
  }
  return read;
}

inline query_request read_query(wire::Query::Reader asked) {
  return {std::string{text_of(asked.getType())},
          std::string{text_of(asked.getParent())},
          asked.getRootsOnly(),
          std::string{text_of(asked.getWhere())},
          read_texts(asked.getSelect()),
          std::string{text_of(asked.getOrderBy())},
          asked.getDescending(),
          asked.getLimit(),
          std::string{text_of(asked.getPageToken())},
          asked.getCountOnly()};
}

inline subscription_request read_subscribe(wire::Subscribe::Reader asked) {
  return {read_texts(asked.getIds()), std::string{text_of(asked.getType())},
          std::string{text_of(asked.getParent())}, std::string{text_of(asked.getWhere())},
          asked.getCredit()};
}

inline std::vector<twin_event> read_events(wire::EventBatch::Reader batch) {
  std::vector<twin_event> read;
  for (unsigned i = 0; i < batch.getEvents().size(); ++i)
    read.push_back(read_event(batch, i));
  return read;
}

/// Entries read, so that no reading is optimised away.
inline std::size_t read_reply(wire::Reply::Reader reply) {
  switch (reply.which()) {
  case wire::Reply::ERROR:
    return to_string(read_error(reply.getError())).size();
  case wire::Reply::OUTCOME: {
    auto read = read_outcome(reply.getOutcome());
    return read.failures.size() + read.ids.size();
  }
  case wire::Reply::PAGE: {
    auto read = read_page(reply.getPage());
    return read.twins.size() + read.missing.size();
  }
  case wire::Reply::STATS: {
    auto read = read_stats(reply.getStats());
    return read.counters.size() + read.latencies.size();
  }
  case wire::Reply::WELCOME:
    return text_of(reply.getWelcome().getNode()).size()
           + text_of(reply.getWelcome().getProgram()).size();
  case wire::Reply::SUBSCRIBED:
  case wire::Reply::DONE:
    break;
  }
  return 0;
}

/// Reads all of a frame that `frame::check` let pass. Touches every byte that a reader may touch.
inline std::size_t read_everything(const frame& checked) {
  auto message = checked.message();
  switch (message.which()) {
  case wire::Message::CREATE:
    return read_create(message.getCreate()).size();
  case wire::Message::UPDATE:
    return read_update(message.getUpdate()).size();
  case wire::Message::GET:
    return read_texts(message.getGet().getIds()).size();
  case wire::Message::REMOVE:
    return read_texts(message.getRemove().getIds()).size();
  case wire::Message::LIFECYCLE:
    return read_texts(message.getLifecycle().getIds()).size();
  case wire::Message::QUERY:
    return read_query(message.getQuery()).select.size();
  case wire::Message::SUBSCRIBE:
    return read_subscribe(message.getSubscribe()).ids.size();
  case wire::Message::GRANT:
    return message.getGrant().getCredit();
  case wire::Message::HELLO:
    return text_of(message.getHello().getProgram()).size();
  case wire::Message::REPLY:
    return read_reply(message.getReply());
  case wire::Message::EVENTS:
    return read_events(message.getEvents()).size();
  case wire::Message::NOTHING:
  case wire::Message::UNSUBSCRIBE:
  case wire::Message::STATS:
  case wire::Message::CONTROL:
    break;
  }
  return 0;
}

} // namespace gemel::test
