#pragma once

#include "messages/frame.hpp"
#include "messages/records.hpp"
#include "messages/wire.hpp"

#include <span>
#include <string>
#include <string_view>

/// Builds the frames that doors send. Contents are not checked here: ingress does that.
namespace gemel {

/// @param wanted what must be true before the answer, here and below; nothing: as configured.
frame make_create(std::span<const new_twin> twins, std::optional<durability> wanted = {});

frame make_update(std::span<const twin_update> updates, const update_options& options = {});

/// One key and value that need only live during the call.
struct property_ref {
  std::string_view key;
  value content;
};

/// The common case without a heap allocation but the frame's own.
frame make_update(std::string_view id, std::span<const property_ref> set);

/// Builds one update batch of a known size and a fixed set of keys in place, for doors that feed
/// many twins at once. Call `add` exactly `count` times, then `finish` once.
class update_batch {
public:
  /// @param keys the columns, named by their position in `add`.
  /// @param set_max the most properties that one `add` sets, for sizing the memory.
  update_batch(std::span<const std::string_view> keys, std::uint32_t count,
               std::uint32_t set_max = 2, std::optional<durability> wanted = {});

  struct cell {
    std::uint16_t key;
    value content;
  };

  void add(std::string_view id, std::span<const cell> set, std::int64_t source_time_us = 0);
  frame finish();

private:
  frame_builder builder_;
  std::size_t key_count_;
  capnp::List<wire::Update>::Builder updates_;
  std::uint32_t added_ = 0;
};

/// @param with_stamps asks for `twin_record::stamps` too.
/// @param only if not empty: asks for id, type, version and these properties alone, at most
///        `limits::get_only_max`.
frame make_get(std::span<const std::string> ids, std::span<const twin_alias> aliases = {},
               bool with_stamps = false, std::span<const std::string> only = {});

frame make_command(const twin_command& asked);

frame make_service_call(const service_call& asked);

/// Reads a checked frame's.
service_call read_service_call(wire::ServiceCall::Reader asked);

/// @param cause the id of the event that led to these; empty: none.
frame make_emit(std::span<const twin_emit> events, std::string_view cause = {});

/// @param parent the new one of all of them; empty: they become roots.
frame make_move(std::span<const std::string> ids, std::string_view parent);

frame make_types_request();

frame make_remove(std::span<const std::string> ids, child_policy children,
                  std::optional<durability> wanted = {});

/// @param trigger a `lifecycle_trigger` of registry/lifecycle.hpp.
/// @param children of `retire` alone.
frame make_lifecycle(std::span<const std::string> ids, std::uint8_t trigger,
                     child_policy children = child_policy::refuse,
                     std::optional<durability> wanted = {});

frame make_query(const query_request& asked);

frame make_subscribe(const subscription_request& asked);

/// Reads a checked frame's.
subscription_request read_subscribe(wire::Subscribe::Reader asked);

frame make_unsubscribe(std::uint64_t subscription);

frame make_grant(std::uint64_t subscription, std::uint32_t credit);

frame make_stats_request();

frame make_hello(std::string_view program);

} // namespace gemel
