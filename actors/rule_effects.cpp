#include "actors/rule_effects.hpp"

#include "actors/rule_cause.hpp"
#include "messages/limits.hpp"
#include "messages/packed.hpp"
#include "messages/requests.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace gemel {

namespace {

properties properties_of(const value* from) {
  properties made;
  if (from != nullptr && from->is_map())
    for (const auto& member : from->as_map())
      made.push_back({member.key, member.content});
  return made;
}

result<std::string> text_at(const value& from, std::string_view key, std::string_view what) {
  const auto* found = from.find(key);
  if (found != nullptr && found->is_text() && !found->as_text().empty())
    return std::string{found->as_text()};
  return fail(errc::bad_value, std::string{what} + " is "
                                   + (found != nullptr ? to_json(*found) : "missing")
                                   + ", not a text");
}

const rule_event* last_event(const rule_finding& found) {
  const auto* last = found.found.bound.last();
  return last != nullptr ? last->event.get() : nullptr;
}

std::string cause_of(const rule_finding& found, const std::string& action) {
  const auto* event = last_event(found);
  if (event == nullptr)
    return {};
  auto id = event->id.is_text() ? event->id.as_text() : std::string_view{};
  return cause_of_action(id, event->rule_depth, action);
}

// Of all that the match is made of: matches may share their first and last events.
std::uint64_t digest_of(const rule_finding& found) {
  auto text = to_json(found.found.key) + "\n" + to_json(found.found.content);
  for (const auto* at = found.found.bound.last(); at != nullptr; at = at->before) {
    text += "\n" + std::to_string(at->stage) + " ";
    text += at->event->id.is_text() ? at->event->id.as_text() : std::string_view{};
  }
  return hash_of(text);
}

std::string hexadecimal(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

// By the events of the match: the same whenever they are found.
std::string key_of(const rule_finding& found, std::size_t ordinal) {
  const auto* event = last_event(found);
  auto id = event != nullptr && event->id.is_text() ? std::string{event->id.as_text()}
                                                    : to_json(found.found.key);
  const auto* at = found.found.bound.last();
  while (at != nullptr && at->before != nullptr)
    at = at->before;
  if (at != nullptr && at->event->id.is_text())
    id += "/" + std::string{at->event->id.as_text()};
  return found.of->name() + "/" + id + "/" + std::to_string(found.found.at) + "/"
         + hexadecimal(digest_of(found)) + "/" + std::to_string(ordinal);
}

result<frame> update_of(const value& what, const rule_finding& found, const std::string& action) {
  auto id = text_at(what, "id", "'update_twin.id'");
  if (!id)
    return tl::unexpected<error>(id.error());
  twin_update change;
  change.id = *id;
  change.set = properties_of(what.find("set"));
  return make_update(std::span{&change, 1}, {.cause = cause_of(found, action)});
}

result<frame> command_of(const value& what, const rule_finding& found, const std::string& action) {
  auto id = text_at(what, "id", "'send_command.id'");
  auto name = text_at(what, "name", "'send_command.name'");
  if (!id || !name)
    return tl::unexpected<error>(id ? name.error() : id.error());
  twin_command asked;
  asked.id = *id;
  asked.name = *name;
  asked.arguments = properties_of(what.find("arguments"));
  asked.cause = cause_of(found, action);
  return make_command(asked);
}

// An event of the twin that was named, else of the one whose event came last.
result<frame> emit_of(const value& content, const rule_finding& found, const std::string& action) {
  auto name = text_at(content, "emit", "'emit'");
  if (!name)
    return tl::unexpected<error>(name.error());
  twin_emit made;
  made.name = *name;
  const auto* event = last_event(found);
  if (content.find("twin") != nullptr) {
    auto id = text_at(content, "twin", "'twin' of 'emit'");
    if (!id)
      return tl::unexpected<error>(id.error());
    made.id = *id;
  } else if (event != nullptr && event->twin_id.is_text()) {
    made.id = event->twin_id.as_text();
  } else {
    return fail(errc::bad_value, "'emit' needs a 'twin', since no event of a twin led to it");
  }
  const auto* payload = content.find("payload");
  made.payload = properties_of(payload);
  if (payload == nullptr)
    made.payload = properties_of(&found.found.content);
  return make_emit(std::span{&made, 1}, cause_of(found, action));
}

frame workflow_call(std::string name, value_map arguments) {
  service_call call;
  call.service = "workflows";
  call.name = std::move(name);
  call.arguments = value{std::move(arguments)};
  return make_service_call(call);
}

// A run's id may hold no '/', and is no longer than a twin's: beyond that a hash (FNV-1a) of the
// whole key stands at its end.
std::string run_id_of(std::string key) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (auto c : key)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  std::replace(key.begin(), key.end(), '/', '.');
  if (key.size() <= limits::id_bytes_max)
    return key;
  auto end = "." + std::to_string(hash);
  auto kept = limits::id_bytes_max - end.size();
  while (kept > 0 && (static_cast<unsigned char>(key[kept]) & 0xc0U) == 0x80U)
    --kept; // Not within a character.
  return key.substr(0, kept) + end;
}

result<frame> start_of(const value& content, const std::string& key, const std::string& rule) {
  auto name = text_at(content, "start_workflow", "'start_workflow'");
  if (!name)
    return tl::unexpected<error>(name.error());
  value_map arguments{
      {"workflow", value{*name}}, {"id", value{run_id_of(key)}}, {"cause", value{"rule " + rule}}};
  for (std::string_view field : {"input", "version"})
    if (const auto* found = content.find(field); found != nullptr)
      arguments.push_back({std::string{field}, *found});
  return workflow_call("start", std::move(arguments));
}

result<frame> signal_of(const value& what) {
  auto event = text_at(what, "event", "'signal_workflow.event'");
  if (!event)
    return tl::unexpected<error>(event.error());
  return workflow_call("signal", {what.as_map().begin(), what.as_map().end()});
}

result<frame> request_of(const wanted_action& wanted, const rule_finding& found,
                         const rule_effect& made) {
  const auto& what = *wanted.content.find(to_string(wanted.kind));
  switch (wanted.kind) {
  case action_kind::emit:
    return emit_of(wanted.content, found, made.action);
  case action_kind::update_twin:
    return update_of(what, found, made.action);
  case action_kind::send_command:
    return command_of(what, found, made.action);
  case action_kind::start_workflow:
    return start_of(wanted.content, made.idempotency_key, found.of->name());
  case action_kind::signal_workflow:
    return signal_of(what);
  default:
    return frame{};
  }
}

} // namespace

result<rule_effect> effect_of(const wanted_action& wanted, std::size_t ordinal,
                              const rule_finding& found) {
  rule_effect made;
  made.kind = wanted.kind;
  made.rule = found.of->name();
  made.at = found.found.at;
  made.idempotency_key = key_of(found, ordinal);
  made.action = hexadecimal(hash_of(made.idempotency_key));
  made.epoch = found.epoch;
  auto request = request_of(wanted, found, made);
  if (!request)
    return tl::unexpected<error>(request.error());
  made.request = std::move(*request);
  const auto& what = *wanted.content.find(to_string(wanted.kind));
  made.target = what.is_text() ? std::string{what.as_text()} : to_json(what);
  const auto* payload = wanted.content.find("payload");
  made.payload = payload != nullptr ? *payload : found.of->selected(found.found);
  return made;
}

} // namespace gemel
