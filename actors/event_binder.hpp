#pragma once

#include "actors/binder.hpp"
#include "actors/lane_event.hpp"

#include <span>
#include <string>
#include <vector>

namespace gemel {

/// Binds the references of a subscriber's filter to an event and its twin, without copying a value:
/// plain names and those of the scope `new` are the twin's state after the event (see
/// `twin_binder`), those of `old` its properties before, those of `payload` what an emitted event
/// carries, `changed(x)` whether x is another value than before, and `event` the event's kind, or
/// the name of an emitted one. Of a created twin all of `old` is missing; of a removed one `new` is
/// its last state.
class event_binder {
public:
  event_binder(const expression& of, symbol_cache& keys);

  /// What a filter may use.
  static const expression_options& options();

  /// The values; they live until the next call, or until row or changes change.
  /// @param row as the event left it. @param changes those of the event.
  std::span<const value* const> bind(const twin_row& row, const twin_metadata& about,
                                     const lane_event& event, std::span<const lane_change> changes);

private:
  enum class source : std::uint8_t { event, old_value, payload, change };
  // A reference that the row alone does not answer.
  struct binding {
    std::size_t reference = 0;
    source from = source::event;
    std::string root;
    std::vector<path_step> path;
    key_id key{};
    bool interned = false;
    value made;
  };

  const value* find(binding& b, const twin_row& row, const lane_event& event,
                    std::span<const lane_change> changes);
  bool knows_key(binding& b);

  twin_binder state_;
  symbol_cache& keys_;
  std::vector<binding> own_;
  std::vector<const value*> bound_;
};

} // namespace gemel
