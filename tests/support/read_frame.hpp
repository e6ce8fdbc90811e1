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
                    std::string{text_of(one.getPlacement())}, one.getIfAbsent()});
  return read;
}

inline std::vector<std::string> read_keys(capnp::List<std::uint16_t>::Reader list,
                                          capnp::List<capnp::Text>::Reader keys) {
  std::vector<std::string> read;
  for (auto key : list)
    read.emplace_back(text_of(keys[key]));
  return read;
}

inline path_change read_path(wire::PathChange::Reader from) {
  using enum path_change::action;
  std::string path{text_of(from.getPath())};
  switch (from.which()) {
  case wire::PathChange::SET:
    return {path, set, read_value(from.getSet())};
  case wire::PathChange::ADD:
    return {path, add, read_value(from.getAdd())};
  case wire::PathChange::APPEND:
    return {path, append, read_value(from.getAppend())};
  case wire::PathChange::UNSET:
    break;
  }
  return {path, unset, {}};
}

inline std::vector<twin_update> read_update(wire::UpdateBatch::Reader batch) {
  std::vector<twin_update> read;
  for (auto one : batch.getUpdates()) {
    auto& update = read.emplace_back();
    update.id = text_of(one.getId());
    update.set = read_properties(one.getSet(), batch.getKeys());
    update.unset = read_keys(one.getUnset(), batch.getKeys());
    update.if_version = one.getIfVersion();
    update.source_time_us = one.getSourceTimeUs();
    auto more = one.getMore();
    update.add = read_properties(more.getAdd(), batch.getKeys());
    for (auto change : more.getPaths())
      update.paths.push_back(read_path(change));
    update.replace = more.getReplace();
    update.if_absent = read_keys(more.getIfAbsent(), batch.getKeys());
    update.condition = text_of(more.getCondition());
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
          asked.getCountOnly(),
          std::string{text_of(asked.getAncestor())},
          read_texts(asked.getGroupBy()),
          read_texts(asked.getAggregates()),
          asked.getExplain()};
}

inline std::vector<twin_alias> read_aliases(capnp::List<wire::Alias>::Reader list) {
  std::vector<twin_alias> read;
  for (auto one : list)
    read.push_back({std::string{text_of(one.getProperty())}, read_value(one.getContent())});
  return read;
}

inline twin_command read_command(wire::Command::Reader asked) {
  twin_command read{std::string{text_of(asked.getId())}, std::string{text_of(asked.getName())}};
  for (auto one : asked.getArguments())
    read.arguments.push_back({std::string{text_of(one.getKey())}, read_value(one.getValue())});
  read.timeout_ms = asked.getTimeoutMs();
  read.cause = text_of(asked.getCause());
  return read;
}

inline std::vector<twin_emit> read_emit(wire::EmitBatch::Reader batch) {
  std::vector<twin_emit> read;
  for (auto one : batch.getEvents())
    read.push_back({std::string{text_of(one.getId())}, std::string{text_of(one.getName())},
                    read_properties(one.getPayload(), batch.getKeys()), one.getSourceTimeUs()});
  return read;
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
    return read.twins.size() + read.missing.size() + read.groups.size();
  }
  case wire::Reply::STATS: {
    auto read = read_stats(reply.getStats());
    return read.counters.size() + read.latencies.size();
  }
  case wire::Reply::WELCOME:
    return text_of(reply.getWelcome().getNode()).size()
           + text_of(reply.getWelcome().getProgram()).size();
  case wire::Reply::RESULT:
    return read_value(reply.getResult()).heap_bytes();
  case wire::Reply::TYPES:
    return read_types(reply.getTypes()).size();
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
    return read_texts(message.getGet().getIds()).size()
           + read_aliases(message.getGet().getAliases()).size();
  case wire::Message::COMMAND:
    return read_command(message.getCommand()).arguments.size();
  case wire::Message::SERVICE:
    return read_service_call(message.getService()).name.size();
  case wire::Message::SYNC:
    return message.getSync().getBody().size();
  case wire::Message::EMIT:
    return read_emit(message.getEmit()).size();
  case wire::Message::MOVE:
    return read_texts(message.getMove().getIds()).size()
           + text_of(message.getMove().getParent()).size();
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
  case wire::Message::TYPES:
  case wire::Message::CONTROL:
    break;
  }
  return 0;
}

} // namespace gemel::test
