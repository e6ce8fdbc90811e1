#pragma once

#include "actors/log_record.hpp"
#include "actors/series_block.hpp"
#include "messages/error.hpp"
#include "messages/packed.hpp"
#include "registry/model.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gemel {

/// The points in records of the log: the values of properties whose types say `history = true`.
/// Knows the types of twins from the records that made them, and asks for those that it does not
/// know. One thread at a time.
class series_source {
public:
  /// The type of a twin whose creation lies before what was read. Nothing: nobody knows, such as
  /// of a twin that is gone.
  using type_lookup = std::function<std::optional<std::string>(std::string_view id)>;

  /// One point. Lives during the call.
  struct taken_point {
    std::string_view id;
    const type_model& type;
    const property_model& property;
    series_point& point;
  };
  using point_sink = std::function<void(const taken_point&)>;
  /// A twin that has a history begins, or ends: its type, or null.
  using type_sink = std::function<void(std::string_view id, const type_model* type)>;

  /// @param models must outlive this. @param types_max twins that are remembered.
  series_source(const model_table& models, type_lookup types, std::size_t types_max = 1'000'000)
      : models_{models}, types_{std::move(types)}, types_max_{types_max} {}

  /// Hears of types, so that they can be kept; may be empty.
  void on_type(type_sink told) { told_ = std::move(told); }

  /// Hands out the points of one record of cells.
  /// @returns errc::store_corrupt; then nothing was handed out that is not in the record.
  result<void> read(std::string_view record, const point_sink& each);

  /// Null: it has no model, or nobody knows.
  const type_model* model_of(std::string_view id);

  /// Values that were passed over since nobody knew the types of their twins.
  std::uint64_t untyped() const noexcept { return untyped_; }

private:
  struct known_type {
    const type_model* model = nullptr;
    bool is_known = false;
  };

  known_type find(std::string_view id);
  known_type look_up(std::string_view id);
  void remember(std::string_view id, const type_model* model);
  void take(stored_event& event, const point_sink& each);

  const model_table& models_;
  type_lookup types_;
  type_sink told_;
  std::size_t types_max_;
  std::uint64_t untyped_ = 0;
  stored_event event_; // kept for its memory
  boost::unordered_flat_map<std::string, const type_model*, text_hash, std::equal_to<>> known_;
};

/// Whether any of its properties has a history.
bool keeps_history(const type_model& type) noexcept;

} // namespace gemel
